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
                    point.value,
                    trace.name()
                );
            }
        }
    }
    text
}
