//! The words that put a network on grids: 8 bits after training, on the way, and for training; 4 bits.

use super::knob::{Knob, KnobKind, Values};
use super::words::{CALIBRATION, StepWord};
use super::{DEFAULT_CALIBRATION, RecipeStep};
use crate::spec::{DEFAULT_PERCENTILE, Protect, Quantization, RangeMethod};

const METHODS: [&str; 3] = ["minmax", "percentile", "mse"];

const METHOD: Knob = Knob {
    name: "method",
    kind: KnobKind::Choice(&METHODS),
    default: Some("minmax"),
    label: "Ranges",
    unit: "",
    doc: "From the smallest to the largest activation seen, without the outermost, or with the least squared error",
};

const PERCENTILE: Knob = Knob {
    name: "percentile",
    kind: KnobKind::Number {
        least: 50.0,
        most: 100.0,
    },
    default: None,
    label: "Percentile",
    unit: " %",
    doc: "Of method=percentile: what lies beyond it at either end is cut off; 99.99 unless said",
};

const CORRECT: Knob = Knob {
    name: "bias-correction",
    kind: KnobKind::Flag,
    default: None,
    label: "Correct the biases",
    unit: "",
    doc: "Moves each bias by the mean error that rounding leaves in its channel",
};

const EQUALIZE: Knob = Knob {
    name: "equalize",
    kind: KnobKind::Flag,
    default: None,
    label: "Equalise the layers",
    unit: "",
    doc: "Evens out the channels between neighbouring layers first, which leaves the function as it is",
};

const PROTECT: Knob = Knob {
    name: "protect",
    kind: KnobKind::Layers,
    default: None,
    label: "Layers left alone:",
    unit: "",
    doc: "Numbers of layers, from 0, that stay in floating point, with commas between; `trimtab sensitivity` shows which suffer",
};

const TOLERATE: Knob = Knob {
    name: "tolerate",
    kind: KnobKind::Number {
        least: 0.0,
        most: 100.0,
    },
    default: None,
    label: "Protects by itself, to lose at most",
    unit: " points",
    doc: "In place of protect: leaves as few of the most sensitive layers in floating point as keep the loss on the validation split within so many points",
};

const fn epochs(default: &'static str, doc: &'static str) -> Knob {
    Knob {
        name: "epochs",
        kind: KnobKind::Count { least: 0 },
        default: Some(default),
        label: "Training on the grids",
        unit: " epochs",
        doc,
    }
}

pub const INT8_DYNAMIC: StepWord = StepWord {
    word: "int8-dynamic",
    title: "Quantize to int8 on the way",
    about: "Weights in 8 bits without calibration; dense layers quantize what they read batch by batch, so that an answer depends on \
            its batch; all else computes in floating point",
    example: "int8-dynamic",
    places: &[],
    options: &[PROTECT],
    stores: true,
    read: |values| {
        Ok(RecipeStep::Int8Dynamic {
            protect: values.layers("protect"),
        })
    },
    write: |step| match step {
        RecipeStep::Int8Dynamic { protect } => Some(Values::default().with_layers("protect", protect)),
        _ => None,
    },
};

pub const INT8_STATIC: StepWord = StepWord {
    word: "int8-static",
    title: "Quantize to int8",
    about: "Weights and activations in 8 bits: about a quarter of the size, faster where integer kernels pay; small networks \
            gain little",
    example: "int8-static",
    places: &[],
    options: &[CALIBRATION, METHOD, PERCENTILE, CORRECT, EQUALIZE, PROTECT, TOLERATE],
    stores: true,
    read: |values| Ok(RecipeStep::Int8Static(read_options(values)?)),
    write: |step| match step {
        RecipeStep::Int8Static(options) => Some(write_options(options)),
        _ => None,
    },
};

pub const INT8_QAT: StepWord = StepWord {
    word: "int8-qat",
    title: "Train for int8",
    about: "As int8, then trains on as if on the grids of 8 bits, which wins back what rounding costs",
    example: "int8-qat",
    places: &[],
    options: &[
        epochs(
            "3",
            "Epochs of quantization-aware training; the ranges follow the activations for the first two thirds",
        ),
        Knob {
            name: "from-scratch",
            kind: KnobKind::Flag,
            default: None,
            label: "From scratch",
            unit: "",
            doc: "Begins with fresh weights in place of the trained ones, at the full learning rate: give it as many epochs as a training has",
        },
        CALIBRATION,
        METHOD,
        PERCENTILE,
        EQUALIZE,
        PROTECT,
        TOLERATE,
    ],
    stores: true,
    read: |values| {
        Ok(RecipeStep::Int8Qat {
            epochs: values.count("epochs").unwrap_or(3),
            from_scratch: values.is_set("from-scratch"),
            options: read_options(values)?,
        })
    },
    write: |step| match step {
        RecipeStep::Int8Qat {
            epochs,
            from_scratch,
            options,
        } => Some(
            write_options(options)
                .with("epochs", Some(epochs))
                .with_flag("from-scratch", *from_scratch),
        ),
        _ => None,
    },
};

pub const INT4: StepWord = StepWord {
    word: "int4",
    title: "Quantize to int4",
    about: "Weights of dense layers in 4 bits by groups of 32, convolutions as with int8: the smallest file; dense layers compute in \
            floating point",
    example: "int4:epochs=3",
    places: &[],
    options: &[
        epochs(
            "0",
            "Epochs of training with the weights rounded, which wins back what 4 bits cost",
        ),
        CALIBRATION,
        METHOD,
        PERCENTILE,
        CORRECT,
        EQUALIZE,
        PROTECT,
        TOLERATE,
    ],
    stores: true,
    read: |values| {
        Ok(RecipeStep::Int4 {
            epochs: values.count("epochs").unwrap_or_default(),
            options: read_options(values)?,
        })
    },
    write: |step| match step {
        RecipeStep::Int4 { epochs, options } => Some(write_options(options).with("epochs", Some(epochs))),
        _ => None,
    },
};

fn read_options(values: &Values) -> Result<Quantization, String> {
    let percentile = values.number("percentile");
    let method = match values.text("method") {
        Some("percentile") => RangeMethod::Percentile(percentile.unwrap_or(DEFAULT_PERCENTILE)),
        _ if percentile.is_some() => return Err("percentile belongs to method=percentile".to_owned()),
        Some("mse") => RangeMethod::MeanSquaredError,
        _ => RangeMethod::MinMax,
    };
    let layers = values.layers("protect");
    let protect = match values.number("tolerate") {
        None => Protect::Layers(layers),
        Some(_) if !layers.is_empty() => return Err("takes protect or tolerate, not both".to_owned()),
        Some(points) => Protect::Auto { points },
    };
    Ok(Quantization {
        samples: values.count("calibration").unwrap_or(DEFAULT_CALIBRATION),
        method,
        bias_correction: values.is_set("bias-correction"),
        equalize: values.is_set("equalize"),
        protect,
    })
}

fn write_options(options: &Quantization) -> Values {
    let Quantization {
        samples,
        method,
        bias_correction,
        equalize,
        protect,
    } = options;
    let percentile = match method {
        RangeMethod::Percentile(percentile) if percentile.to_bits() != DEFAULT_PERCENTILE.to_bits() => Some(percentile),
        _ => None,
    };
    let values = Values::default()
        .with("calibration", Some(samples))
        .with("method", Some(method.name()))
        .with("percentile", percentile)
        .with_flag("bias-correction", *bias_correction)
        .with_flag("equalize", *equalize);
    match protect {
        Protect::Layers(layers) => values.with_layers("protect", layers),
        Protect::Auto { points } => values.with("tolerate", Some(points)),
    }
}
