//! Settings that were changed and do nothing: a person who turns a knob should hear that it is not connected.

use toml::Table;

use super::{KEYS, ModelConfig, ModelSpec, PresetSize, RunPlan};

impl RunPlan {
    /// Keys of the model that are not as the architecture's preset has them, though the network is the same with the preset's
    /// value.
    pub fn idle_settings(&self) -> Vec<&'static str> {
        let config = &self.config.model;
        let preset = ModelConfig::preset(config.architecture, PresetSize::Small, self.dataset.input);
        let (Ok(own), Ok(preset)) = (Table::try_from(config), Table::try_from(&preset)) else {
            return Vec::new();
        };
        let network =
            |config: &ModelConfig| ModelSpec::from_config(config, self.dataset.input, self.dataset.task.outputs()).ok();
        let is_idle = |field: &str| match field {
            // Of these the list of layers says nothing.
            "architecture" | "initialiser" | "trees" | "neighbours" | "penalty" => !config.uses(field),
            _ => {
                let mut without = own.clone();
                match preset.get(field) {
                    Some(value) => without.insert(field.to_owned(), value.clone()),
                    None => without.remove(field),
                };
                let without: Result<ModelConfig, _> = without.try_into();
                without.is_ok_and(|without| network(&without) == network(config))
            }
        };
        let keys = KEYS.iter().map(|key| key.path);
        keys.filter(|path| {
            path.strip_prefix("model.")
                .is_some_and(|field| own.get(field) != preset.get(field) && is_idle(field))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::data;
    use crate::spec::{Architecture, RunConfig, apply_overrides};

    #[test]
    fn a_changed_setting_without_effect_is_named_and_no_other() {
        let summary = data::load(&RunConfig::digits_cnn().data).unwrap().summary;
        let idle = |set: &[&str]| {
            let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
            let config = apply_overrides(&RunConfig::digits_cnn(), &set).unwrap();
            config.check(&summary).unwrap().idle_settings()
        };
        for architecture in Architecture::ALL {
            let set = format!("model.architecture={}", architecture.name());
            let idle = idle(&[&set, "model.initialiser=xavier"]);
            let expected = architecture.is_classical();
            assert_eq!(idle.contains(&"model.initialiser"), expected, "{set}: {idle:?}");
        }
        assert_eq!(
            idle(&["model.architecture=resnet", "model.hidden=[7]", "model.padding=valid"]),
            ["model.hidden", "model.padding"]
        );
        assert_eq!(idle(&["model.hidden=[]", "model.dropout=0.3"]), ["model.dropout"]);
        assert_eq!(idle(&["model.hidden=[7]", "model.dropout=0.3"]), [""; 0]);
        let gru = ["model.architecture=gru", "model.hidden=[]", "model.activation=gelu"];
        assert!(idle(&gru).contains(&"model.activation"));
    }
}
