//! What is taken on: a configuration that fits its data, and a network that fits this machine's memory.

use crate::cost;
use crate::meter::process::machine_bytes;
use crate::spec::{ConfigIssue, DatasetSummary, RunConfig, RunPlan, units};

/// The checked plan; its predicted training memory is at most what this machine has.
pub(super) fn admit(config: &RunConfig, dataset: &DatasetSummary) -> Result<RunPlan, Vec<ConfigIssue>> {
    let plan = config.check(dataset)?;
    let needed = cost::memory(&plan).total();
    if let Some(available) = machine_bytes()
        && needed > available
    {
        let problem = format!(
            "training would take {}, this machine has {}",
            units::bytes(needed),
            units::bytes(available)
        );
        let remedy = "use fewer units or filters, or a smaller batch";
        return Err(vec![ConfigIssue::new("model", problem, remedy)]);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data;

    #[test]
    fn a_network_larger_than_the_machine_is_refused_before_it_is_built() {
        let mut config = RunConfig::digits_cnn();
        let summary = data::load(&config.data).unwrap().summary;
        assert!(admit(&config, &summary).is_ok());
        config.model.hidden = vec![1_000_000; 4];
        let message = admit(&config, &summary).unwrap_err()[0].to_string();
        assert!(message.contains("TB") && message.contains("fewer units"), "{message}");
    }
}
