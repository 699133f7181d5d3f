//! What a chart is made of, as a table: every point, nothing smoothed.

use std::fmt::Write as _;

use super::Chart;
use crate::timeline::XAxis;

/// One row a value, in the order of runs and of steps.
pub fn csv(chart: &Chart<'_>) -> String {
    let mut text = String::from("run,step,epoch,seconds,value,series\n");
    for member in &chart.members {
        for trace in chart.quantity.traces() {
            for point in trace.points(member.view) {
                let epoch = member.view.place(XAxis::Epoch, point.step);
                let secs = member.view.place(XAxis::Time, point.step);
                // Writing to a string does not fail.
                let _ = writeln!(
                    text,
                    "{},{},{epoch:.4},{secs:.3},{},{}",
                    member.run,
                    point.step,
                    shortest(point.value),
                    trace.name()
                );
            }
        }
    }
    text
}

/// Without the digits that a number of single precision does not have.
fn shortest(value: f64) -> String {
    let single = value as f32;
    if f64::from(single) == value {
        single.to_string()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_have_the_digits_that_were_measured() {
        let texts = [f64::from(0.1_f32), 0.1, 12_345_678.0, f64::NAN].map(super::shortest);
        assert_eq!(texts, ["0.1", "0.1", "12345678", "NaN"]);
    }
}
