//! Products of matrices that are both values, such as scores and shares of attention. Operands are read, and the result is written,
//! as they lie: what is only transposed is not copied.

use super::LoadError;
use super::layers::Staging;
use super::node::Node;
use crate::kernels::{FloatOutput, FloatPanels, InstructionSet, PANEL, Walk, float_product};

/// A product for each pair of outer places; strides are steps in memory along outer, inner, rows and columns.
pub struct MatMul {
    /// Outer places for a batch of one, and the places in each.
    pub outer: [usize; 2],
    pub rows: usize,
    pub inner: usize,
    pub columns: usize,
    /// Of the rows of the left operand.
    pub walk: Walk,
    pub left: [usize; 4],
    pub right: [usize; 4],
    pub out: [usize; 4],
}

/// Room for the right matrix.
pub struct Packing {
    pub panels: FloatPanels,
    pub zeros: Vec<f32>,
}

impl Packing {
    /// Room for `lines` of sixteen columns, and for `columns`; none where there is no memory.
    pub fn new(set: InstructionSet, lines: usize, columns: usize) -> Option<Self> {
        let mut zeros = Vec::new();
        zeros.try_reserve_exact(columns).ok()?;
        zeros.resize(columns, 0.0);
        Some(Self {
            panels: FloatPanels::room(set, lines)?,
            zeros,
        })
    }
}

impl MatMul {
    /// Lines and columns of the room that it needs.
    pub fn room(&self) -> [usize; 2] {
        let panels = self.columns.div_ceil(PANEL);
        [panels * self.inner, panels * PANEL]
    }

    /// Fails where the matrices are too large to be counted.
    pub fn check(&self, node: &Node<'_, '_>) -> Result<(), LoadError> {
        super::products::within_bounds(node, &[self.columns.next_multiple_of(PANEL), self.inner]).map(|_| ())
    }

    pub fn run(&self, batch: usize, left: &[f32], right: &[f32], packing: &mut Packing, out: &mut [f32]) {
        let Packing { panels, zeros } = packing;
        for outer in 0..self.outer[0] * batch {
            for inner in 0..self.outer[1] {
                let start = |strides: &[usize; 4]| outer * strides[0] + inner * strides[1];
                let right = &right[start(&self.right)..];
                panels.repack([self.columns, self.inner], right, [self.right[3], self.right[2]]);
                let output = FloatOutput {
                    out: &mut out[start(&self.out)..],
                    pitch: self.out[2],
                    add: None,
                    low: f32::NEG_INFINITY,
                };
                float_product(&left[start(&self.left)..], &self.walk, self.rows, panels, zeros, output);
            }
        }
    }
}

/// Everything that steps work in beside their values.
pub struct Scratch {
    pub staging: Staging,
    pub packing: Packing,
}
