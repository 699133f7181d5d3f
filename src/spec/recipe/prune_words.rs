//! The words of the steps that prune, with their values.

use super::RecipeStep;
use super::knob::{Choice, Knob, KnobKind, Values};
use super::prune::{
    CUBIC_END, CUBIC_STEPS, PruneBlocks, PruneUnits, PruneWeights, UnitCriterion, UnitTarget, WeightCriterion,
    WeightPattern, When,
};
use super::words::{FINETUNE, StepWord};

const SCHEDULES: [&str; 3] = ["once", "iterative", "cubic"];

pub(super) const fn share(name: &'static str, label: &'static str, doc: &'static str) -> Knob {
    Knob {
        name,
        kind: KnobKind::Fraction,
        default: None,
        label,
        unit: "",
        doc,
    }
}

pub(super) const PROTECT: Knob = Knob {
    name: "protect",
    kind: KnobKind::Layers,
    default: None,
    label: "Layers left alone:",
    unit: "",
    doc: "Numbers of layers, from 0, that stay as they are, with commas between",
};

const SCHEDULE: Knob = Knob {
    name: "schedule",
    kind: KnobKind::Choice(&SCHEDULES),
    default: Some("once"),
    label: "When",
    unit: "",
    doc: "All at once, in parts with fine-tuning after each, or along a cubic curve while fine-tuning goes on",
};

const STEPS: Knob = Knob {
    name: "steps",
    kind: KnobKind::Count { least: 1 },
    default: None,
    label: "Parts",
    unit: "",
    doc: "In how many parts: 4 iterative ones, or 16 along the curve, unless said",
};

const BEGIN: Knob = Knob {
    name: "begin",
    kind: KnobKind::Number { least: 0.0, most: 1.0 },
    default: None,
    label: "Begins at",
    unit: " of the training",
    doc: "Share of the training after which the curve begins: 0 unless said",
};

const END: Knob = Knob {
    name: "end",
    kind: KnobKind::Number { least: 0.0, most: 1.0 },
    default: None,
    label: "Ends at",
    unit: " of the training",
    doc: "Share of the training after which it ends: 0.75 unless said",
};

const ITERATIVE_STEPS: usize = 4;

pub const UNITS: StepWord = StepWord {
    word: "units",
    title: "Remove units",
    about: "Removes whole neurons, filters, heads and cells: smaller and really faster; costs accuracy, so fine-tune",
    example: "units:0.5:finetune=3",
    places: &[share(
        "fraction",
        "Units and filters to remove",
        "Share of the units of each layer that is removed",
    )],
    options: &[
        share(
            "macs",
            "Multiply-adds left",
            "Share of the multiply-adds to come down to, in place of a fraction",
        ),
        share(
            "size",
            "Size left",
            "Share of the bytes of the weights to come down to, in place of a fraction; the file has a few kB besides",
        ),
        share(
            "latency",
            "Time left",
            "Share of the time at batch 64 to come down to, measured in 32 bits, in place of a fraction",
        ),
        Knob {
            name: "criterion",
            kind: KnobKind::Choice(UnitCriterion::NAMES),
            default: Some("l1"),
            label: "Judged by",
            unit: "",
            doc: "Which units go first: of small weights, of small batch-norm scales, of little effect on the loss, or of little activation",
        },
        Knob {
            name: "multiple",
            kind: KnobKind::Count { least: 1 },
            default: Some("1"),
            label: "Multiple of",
            unit: "",
            doc: "Widths that remain are brought to the nearest multiple, which suits the kernels",
        },
        PROTECT,
        SCHEDULE,
        STEPS,
        BEGIN,
        END,
        FINETUNE,
    ],
    stores: false,
    read: read_units,
    write: |step| match step {
        RecipeStep::Units(units) => Some(write_units(units)),
        _ => None,
    },
};

fn read_units(values: &Values) -> Result<RecipeStep, String> {
    let targets = [
        values.number("fraction").map(UnitTarget::Fraction),
        values.number("macs").map(UnitTarget::MultiplyAdds),
        values.number("size").map(UnitTarget::Size),
        values.number("latency").map(UnitTarget::Latency),
    ];
    let mut given = targets.into_iter().flatten();
    let target = given
        .next()
        .ok_or("units needs a fraction, as in units:0.5, or macs=, size= or latency=")?;
    if given.next().is_some() {
        return Err("units takes one of a fraction, macs, size and latency".to_owned());
    }
    Ok(RecipeStep::Units(PruneUnits {
        target,
        criterion: values.choice("criterion"),
        multiple: values.count("multiple").unwrap_or(1),
        protect: values.layers("protect"),
        when: read_when(values)?,
        finetune: values.count("finetune").unwrap_or_default(),
    }))
}

fn write_units(units: &PruneUnits) -> Values {
    let (name, share) = match units.target {
        UnitTarget::Fraction(share) => ("fraction", share),
        UnitTarget::MultiplyAdds(share) => ("macs", share),
        UnitTarget::Size(share) => ("size", share),
        UnitTarget::Latency(share) => ("latency", share),
    };
    let values = Values::default()
        .with(name, Some(share))
        .with("criterion", Some(units.criterion.name()))
        .with("multiple", Some(units.multiple))
        .with_layers("protect", &units.protect)
        .with("finetune", Some(units.finetune));
    write_when(values, units.when)
}

pub const WEIGHTS: StepWord = StepWord {
    word: "weights",
    title: "Zero weights",
    about: "Zeroes the smallest weights: the file packs smaller, but dense kernels do not get faster",
    example: "weights:0.8:finetune=3",
    places: &[share(
        "fraction",
        "Weights to zero",
        "Share of all weights that is zeroed",
    )],
    options: &[
        WEIGHT_CRITERION,
        Knob {
            name: "scope",
            kind: KnobKind::Choice(&["global", "layer"]),
            default: Some("global"),
            label: "Scope",
            unit: "",
            doc: "Whether weights of all layers are held against each other, or those of each layer by themselves",
        },
        PROTECT,
        SCHEDULE,
        STEPS,
        BEGIN,
        END,
        REWIND,
        FINETUNE,
    ],
    stores: false,
    read: |values| {
        let fraction = values
            .number("fraction")
            .ok_or("weights needs a fraction, as in weights:0.5")?;
        read_weights(
            values,
            match values.text("scope") {
                Some("layer") => WeightPattern::Layer(fraction),
                _ => WeightPattern::Global(fraction),
            },
        )
    },
    write: |step| match step {
        RecipeStep::Weights(weights) => match weights.pattern {
            WeightPattern::Global(fraction) => Some(write_weights(weights).with("fraction", Some(fraction))),
            WeightPattern::Layer(fraction) => Some(
                write_weights(weights)
                    .with("fraction", Some(fraction))
                    .with("scope", Some("layer")),
            ),
            WeightPattern::Groups { .. } => None,
        },
        _ => None,
    },
};

const WEIGHT_CRITERION: Knob = Knob {
    name: "criterion",
    kind: KnobKind::Choice(WeightCriterion::NAMES),
    default: Some("magnitude"),
    label: "Judged by",
    unit: "",
    doc: "Which weights go first: small ones, those of little effect on the loss, or those that training moves towards zero",
};

const REWIND: Knob = Knob {
    name: "rewind",
    kind: KnobKind::Count { least: 0 },
    default: None,
    label: "Rewind to",
    unit: " epochs",
    doc: "What is left goes back to its weights after so many epochs of the parent's training, done again from its seed",
};

pub const SPARSE_GROUPS: StepWord = StepWord {
    word: "nm",
    title: "Zero weights in groups",
    about: "Keeps N of every M weights side by side, as 2:4, a pattern that some hardware multiplies faster; kernels here do not",
    example: "nm:2:4:finetune=3",
    places: &[
        Knob {
            name: "n",
            kind: KnobKind::Count { least: 1 },
            default: None,
            label: "Weights that stay",
            unit: "",
            doc: "Weights that stay of each group",
        },
        Knob {
            name: "m",
            kind: KnobKind::Count { least: 2 },
            default: None,
            label: "Weights of a group",
            unit: "",
            doc: "Weights of a group, side by side along the inputs",
        },
    ],
    options: &[WEIGHT_CRITERION, PROTECT, FINETUNE],
    stores: false,
    read: |values| {
        let (Some(keep), Some(of)) = (values.count("n"), values.count("m")) else {
            return Err("nm needs two numbers, as in nm:2:4".to_owned());
        };
        if keep >= of {
            return Err(format!(
                "nm:{keep}:{of} keeps all weights; the first number is the smaller one"
            ));
        }
        read_weights(values, WeightPattern::Groups { keep, of })
    },
    write: |step| match step {
        RecipeStep::Weights(weights) => match weights.pattern {
            WeightPattern::Groups { keep, of } => Some(
                Values::default()
                    .with("n", Some(keep))
                    .with("m", Some(of))
                    .with("criterion", Some(weights.criterion.name()))
                    .with_layers("protect", &weights.protect)
                    .with("finetune", Some(weights.finetune)),
            ),
            _ => None,
        },
        _ => None,
    },
};

fn read_weights(values: &Values, pattern: WeightPattern) -> Result<RecipeStep, String> {
    let when = read_when(values)?;
    if matches!(when, When::Cubic { .. }) && values.is_set("rewind") {
        return Err("rewind belongs to schedule=once or schedule=iterative".to_owned());
    }
    Ok(RecipeStep::Weights(PruneWeights {
        pattern,
        criterion: values.choice("criterion"),
        protect: values.layers("protect"),
        when,
        rewind: values.count("rewind"),
        finetune: values.count("finetune").unwrap_or_default(),
    }))
}

fn write_weights(weights: &PruneWeights) -> Values {
    let values = Values::default()
        .with("criterion", Some(weights.criterion.name()))
        .with("scope", Some("global"))
        .with_layers("protect", &weights.protect)
        .with("rewind", weights.rewind)
        .with("finetune", Some(weights.finetune));
    write_when(values, weights.when)
}

pub const BLOCKS: StepWord = StepWord {
    word: "blocks",
    title: "Remove residual blocks",
    about: "Removes whole residual blocks, one after another the one without which the loss grows least: fewer layers, really faster",
    example: "blocks:0.5:finetune=3",
    places: &[share(
        "fraction",
        "Blocks to remove",
        "Share of the residual blocks that is removed, of those whose sum adds its branch unchanged",
    )],
    options: &[PROTECT, FINETUNE],
    stores: false,
    read: |values| {
        Ok(RecipeStep::Blocks(PruneBlocks {
            fraction: values
                .number("fraction")
                .ok_or("blocks needs a fraction, as in blocks:0.5")?,
            protect: values.layers("protect"),
            finetune: values.count("finetune").unwrap_or_default(),
        }))
    },
    write: |step| match step {
        RecipeStep::Blocks(blocks) => Some(
            Values::default()
                .with("fraction", Some(blocks.fraction))
                .with_layers("protect", &blocks.protect)
                .with("finetune", Some(blocks.finetune)),
        ),
        _ => None,
    },
};

fn read_when(values: &Values) -> Result<When, String> {
    let (begin, end) = (values.number("begin"), values.number("end"));
    let is_curved = begin.is_some() || end.is_some();
    let steps = values.count("steps");
    match values.text("schedule").unwrap_or(SCHEDULES[0]) {
        "iterative" if is_curved => Err("begin and end belong to schedule=cubic".to_owned()),
        "iterative" => Ok(When::Iterative {
            steps: steps.unwrap_or(ITERATIVE_STEPS),
        }),
        "once" if !is_curved && steps.is_some() => {
            Err("steps belongs to schedule=iterative or schedule=cubic".to_owned())
        }
        "once" if !is_curved => Ok(When::Once),
        _ => {
            let (begin, end) = (begin.unwrap_or(0.0), end.unwrap_or(CUBIC_END));
            if begin >= end {
                return Err(format!("begin {begin} is not before end {end}"));
            }
            Ok(When::Cubic {
                begin,
                end,
                steps: steps.unwrap_or(CUBIC_STEPS),
            })
        }
    }
}

fn write_when(values: Values, when: When) -> Values {
    match when {
        When::Once => values.with("schedule", Some("once")),
        When::Iterative { steps } => values
            .with("schedule", Some("iterative"))
            .with("steps", (steps != ITERATIVE_STEPS).then_some(steps)),
        When::Cubic { begin, end, steps } => values
            .with("schedule", Some("cubic"))
            .with("steps", (steps != CUBIC_STEPS).then_some(steps))
            .with("begin", (begin > 0.0).then_some(begin))
            .with("end", (end.to_bits() != CUBIC_END.to_bits()).then_some(end)),
    }
}
