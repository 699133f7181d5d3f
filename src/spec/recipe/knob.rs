//! The values that a word of a recipe takes: of which kind each is, how it is read, and what is wrong with one that cannot be.

/// One value of a step.
#[derive(Debug, Clone, Copy)]
pub struct Knob {
    /// As in `name=value`; one with a place of its own is written without it.
    pub name: &'static str,
    pub kind: KnobKind,
    /// The text that may be left out. A knob without one is a value that has to be given, or one that may be missing: the word's
    /// `read` knows.
    pub default: Option<&'static str>,
    /// What the page calls it.
    pub label: &'static str,
    /// Behind the number, with its space: ` epochs`.
    pub unit: &'static str,
    /// A learner's sentence.
    pub doc: &'static str,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KnobKind {
    /// Above 0 and below 1.
    Fraction,
    /// A whole number.
    Count {
        least: usize,
    },
    Number {
        least: f64,
        most: f64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Numbers of layers, with commas between.
    Layers,
    /// Written as its name alone.
    Flag,
}

/// What a [`KnobKind::Choice`] is read as.
pub trait Choice: Copy + PartialEq + 'static {
    const ALL: &'static [Self];
    /// In the order of `ALL`.
    const NAMES: &'static [&'static str];

    fn name(self) -> &'static str {
        let place = Self::ALL.iter().position(|one| *one == self);
        place.map_or("", |place| Self::NAMES[place])
    }
}

impl KnobKind {
    /// What is wrong with this text as a value of this kind.
    pub fn problem(&self, name: &str, text: &str) -> Option<String> {
        match *self {
            Self::Fraction => match text.parse::<f64>() {
                Err(_) => Some(format!("`{text}` is not a fraction such as 0.5")),
                Ok(value) if value > 0.0 && value < 1.0 => None,
                Ok(_) => Some(format!("{name} {text} is not between 0 and 1")),
            },
            Self::Count { least } => match text.parse::<usize>() {
                Err(_) => Some(format!("`{name}={text}` needs a whole number")),
                Ok(value) if value >= least => None,
                Ok(_) if least == 1 => Some(format!("{name} needs at least one")),
                Ok(_) => Some(format!("{name} needs at least {least}")),
            },
            Self::Number { least, most } => match text.parse::<f64>() {
                Err(_) => Some(format!("`{name}={text}` needs a number")),
                Ok(value) if value >= least && value <= most => None,
                Ok(_) => Some(format!("{name} {text} is not between {least} and {most}")),
            },
            Self::Choice(names) => {
                (!names.contains(&text)).then(|| format!("`{name}={text}` is not one of {}", names.join(", ")))
            }
            Self::Layers => text
                .split(',')
                .any(|layer| layer.parse::<usize>().is_err())
                .then(|| format!("`{name}={text}` needs numbers of layers, such as 0,3")),
            Self::Flag => (text != FLAG).then(|| format!("{name} stands by itself, without a value")),
        }
    }
}

/// The value of a flag that is set.
pub const FLAG: &str = "yes";

/// The values of a step as text, each checked against its kind.
#[derive(Debug, Clone, Default)]
pub struct Values(Vec<(&'static str, String)>);

impl Values {
    /// Adds a value; an earlier one of this name is replaced.
    pub fn set(&mut self, name: &'static str, text: String) {
        self.remove(name);
        self.0.push((name, text));
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| *known != name);
    }

    /// Adds a value where there is one.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.set(name, value.to_string());
        }
        self
    }

    /// Adds numbers of layers where there are any.
    #[must_use]
    pub fn with_layers(self, name: &'static str, layers: &[usize]) -> Self {
        let texts: Vec<String> = layers.iter().map(ToString::to_string).collect();
        self.with(name, (!texts.is_empty()).then(|| texts.join(",")))
    }

    /// Adds a flag where it is set.
    #[must_use]
    pub fn with_flag(self, name: &'static str, is_set: bool) -> Self {
        self.with(name, is_set.then_some(FLAG))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| &text[..])
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok()
    }

    pub fn count(&self, name: &str) -> Option<usize> {
        self.text(name)?.parse().ok()
    }

    /// The choice, or the first of all.
    pub fn choice<C: Choice>(&self, name: &str) -> C {
        let place = self
            .text(name)
            .and_then(|text| C::NAMES.iter().position(|known| *known == text));
        C::ALL[place.unwrap_or_default()]
    }

    pub fn layers(&self, name: &str) -> Vec<usize> {
        let layers = self.text(name).into_iter().flat_map(|text| text.split(','));
        layers.filter_map(|layer| layer.parse().ok()).collect()
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.text(name).is_some()
    }
}
