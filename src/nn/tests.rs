//! Tests of the network against central differences, `PyTorch`'s formulas, and itself on the other device.
