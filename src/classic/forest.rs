//! Random forest: trees on redrawn rows, each split chosen among a few inputs, all with one vote.

use std::borrow::Cow;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::file::{Reader, State, Tensor, broken};
use super::{Baseline, FileError, Lesson, Proceed, log_shares};
use crate::spec::{Failure, stream};

/// Trees of Breiman 2001: each on as many rows as there are, drawn with replacement; a split is the best of `sqrt(inputs)` inputs by
/// Gini's impurity, down to pure leaves, or for numbers of a third of the inputs by the squared error, down to five rows.
pub struct Forest {
    /// All trees one after the other; the two branches of a split stand side by side behind it.
    nodes: Vec<Node>,
    /// First node of each tree.
    roots: Vec<u32>,
    /// `leaves x outputs` of a regression; none for classes.
    values: Vec<f32>,
    outputs: usize,
    is_classifier: bool,
    /// Splits on the way to a leaf, in the mean over the leaves of all trees.
    depth: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Node {
    /// Input that is looked at, or [`LEAF`].
    input: u32,
    /// Up to this value the way goes left.
    threshold: f32,
    /// The left branch, the right one being the next node; of a leaf its class, or its place among the values.
    next: u32,
}

const LEAF: u32 = u32::MAX;

/// Rows of a leaf of a regression that are not divided further.
const FEW_ROWS: usize = 5;

pub fn fit(lesson: &Lesson<'_>, trees: usize, proceed: &mut Proceed<'_>) -> Result<Option<Forest>, Failure> {
    let at_once = rayon::current_num_threads().max(1);
    let mut forest = Forest {
        nodes: Vec::new(),
        roots: Vec::with_capacity(trees),
        values: Vec::new(),
        outputs: lesson.outputs,
        is_classifier: lesson.classes().is_some(),
        depth: 0,
    };
    for first in (0..trees).step_by(at_once) {
        if !proceed(first, trees)? {
            return Ok(None);
        }
        let grown: Vec<Tree> = (first..trees.min(first + at_once))
            .into_par_iter()
            .map(|tree| Tree::grow(lesson, stream(lesson.seed, "forest", tree as u64)))
            .collect();
        for tree in grown {
            forest.add(&tree).ok_or_else(|| {
                Failure::new(
                    "model.trees",
                    "the forest has more than four thousand million nodes",
                    "use fewer trees",
                )
            })?;
        }
    }
    forest.depth = forest.mean_depth();
    Ok(Some(forest))
}

impl Forest {
    pub fn read(reader: &Reader<'_>) -> Result<Self, FileError> {
        let State {
            inputs,
            outputs,
            is_classifier,
            ..
        } = reader.state;
        let (count, trees) = (reader.rows("inputs")?, reader.rows("roots")?);
        let split_on = reader.integers("inputs", &[count], usize::MAX)?;
        let thresholds = reader.floats("thresholds", &[count])?;
        let next = reader.integers("next", &[count], usize::MAX)?;
        let values = if is_classifier {
            Vec::new()
        } else {
            let leaves = reader.rows("values")?;
            reader.floats("values", &[leaves, outputs])?
        };
        let answers = if is_classifier { outputs } else { values.len() / outputs };
        let nodes: Vec<Node> = split_on
            .iter()
            .zip(thresholds)
            .zip(next)
            .map(|((&input, threshold), next)| Node { input, threshold, next })
            .collect();
        for (place, node) in nodes.iter().enumerate() {
            let next = node.next as usize;
            let fits = if node.input == LEAF {
                next < answers
            } else {
                // Only ever onward, so that every way ends.
                (node.input as usize) < inputs && next > place && next + 1 < count
            };
            if !fits {
                return Err(broken("next", format!("leads node {place} nowhere")));
            }
        }
        let mut forest = Self {
            nodes,
            roots: reader.integers("roots", &[trees], count)?,
            values,
            outputs,
            is_classifier,
            depth: 0,
        };
        forest.depth = forest.mean_depth();
        Ok(forest)
    }

    /// None where there are too many nodes to be numbered.
    fn add(&mut self, tree: &Tree) -> Option<()> {
        let (root, leaf) = (self.nodes.len(), self.values.len() / self.outputs.max(1));
        u32::try_from(root + tree.nodes.len()).ok()?;
        self.roots.push(root as u32);
        self.nodes.extend(tree.nodes.iter().map(|node| {
            let moved = match (node.input == LEAF, self.is_classifier) {
                (true, true) => 0,
                (true, false) => leaf,
                (false, _) => root,
            };
            Node {
                next: node.next + moved as u32,
                ..*node
            }
        }));
        self.values.extend_from_slice(&tree.values);
        Some(())
    }

    fn mean_depth(&self) -> u64 {
        let mut depths = vec![0_u64; self.nodes.len()];
        let (mut sum, mut leaves) = (0, 0);
        for (place, node) in self.nodes.iter().enumerate() {
            if node.input == LEAF {
                sum += depths[place];
                leaves += 1;
            } else {
                for branch in [node.next as usize, node.next as usize + 1] {
                    depths[branch] = depths[place] + 1;
                }
            }
        }
        sum / leaves.max(1)
    }

    fn leaf(&self, root: u32, sample: &[f32]) -> usize {
        let mut node = self.nodes[root as usize];
        while node.input != LEAF {
            // What is no number goes right.
            let is_left = sample[node.input as usize] <= node.threshold;
            node = self.nodes[node.next as usize + usize::from(!is_left)];
        }
        node.next as usize
    }
}

impl Baseline for Forest {
    fn answer(&self, sample: &[f32], outputs: &mut Vec<f32>) {
        if self.is_classifier {
            let mut votes = vec![0.0; self.outputs];
            for &root in &self.roots {
                votes[self.leaf(root, sample)] += 1.0;
            }
            log_shares(&votes, outputs);
            return;
        }
        let start = outputs.len();
        outputs.resize(start + self.outputs, 0.0);
        for &root in &self.roots {
            let leaf = self.leaf(root, sample) * self.outputs;
            for (sum, value) in outputs[start..].iter_mut().zip(&self.values[leaf..leaf + self.outputs]) {
                *sum += value;
            }
        }
        for sum in &mut outputs[start..] {
            *sum /= self.roots.len() as f32;
        }
    }

    fn tensors(&self) -> Vec<Tensor<'_>> {
        let of = |field: fn(&Node) -> u32| Cow::Owned(self.nodes.iter().map(field).collect::<Vec<_>>());
        let thresholds: Vec<f32> = self.nodes.iter().map(|node| node.threshold).collect();
        let mut tensors = vec![
            Tensor::integers("inputs", of(|node| node.input)),
            Tensor::floats("thresholds", vec![self.nodes.len()], thresholds),
            Tensor::integers("next", of(|node| node.next)),
            Tensor::integers("roots", &self.roots[..]),
        ];
        if !self.is_classifier {
            let leaves = self.values.len() / self.outputs.max(1);
            tensors.push(Tensor::floats("values", vec![leaves, self.outputs], &self.values[..]));
        }
        tensors
    }

    fn multiply_adds(&self) -> u64 {
        self.roots.len() as u64 * self.depth
    }

    fn scratch_bytes(&self) -> u64 {
        if self.is_classifier { 4 * self.outputs as u64 } else { 0 }
    }

    fn describe(&self, state: &mut State) {
        state.is_classifier = self.is_classifier;
    }
}

/// One tree, numbered from its own root and its own first leaf.
struct Tree {
    nodes: Vec<Node>,
    values: Vec<f32>,
}

impl Node {
    fn leaf(answer: usize) -> Self {
        Self {
            input: LEAF,
            threshold: 0.0,
            next: answer as u32,
        }
    }
}

/// The best division of a node's rows.
struct Split {
    input: usize,
    threshold: f32,
    gain: f64,
}

impl Tree {
    fn grow(lesson: &Lesson<'_>, mut random: ChaCha8Rng) -> Self {
        let count = lesson.rows();
        let mut rows: Vec<u32> = (0..count).map(|_| random.random_range(0..count) as u32).collect();
        let mut tree = Self {
            nodes: vec![Node::leaf(0)],
            values: Vec::new(),
        };
        let mut order: Vec<usize> = (0..lesson.inputs).collect();
        let mut keys = Vec::with_capacity(count);
        // Nodes that are still leaves, each with its stretch of the rows.
        let mut open = vec![(0_usize, 0, count)];
        while let Some((place, start, end)) = open.pop() {
            let own = &mut rows[start..end];
            let Some(split) = best_split(lesson, own, &mut order, &mut keys, &mut random) else {
                tree.close(lesson, place, own);
                continue;
            };
            let goes_left = |&row: &u32| lesson.row(row as usize)[split.input] <= split.threshold;
            let left = partition(own, goes_left);
            let next = tree.nodes.len();
            tree.nodes[place] = Node {
                input: split.input as u32,
                threshold: split.threshold,
                next: next as u32,
            };
            tree.nodes.extend([Node::leaf(0); 2]);
            open.push((next + 1, start + left, end));
            open.push((next, start, start + left));
        }
        tree
    }

    /// Makes a node a leaf that answers for `rows`.
    fn close(&mut self, lesson: &Lesson<'_>, place: usize, rows: &[u32]) {
        let next = if let Some(classes) = lesson.classes() {
            let mut counts = vec![0_usize; lesson.outputs];
            for &row in rows {
                counts[classes[row as usize] as usize] += 1;
            }
            let most = counts.iter().copied().max().unwrap_or(0);
            counts.iter().position(|&count| count == most).unwrap_or(0)
        } else {
            let leaf = self.values.len() / lesson.outputs.max(1);
            self.values.extend((0..lesson.outputs).map(|output| {
                let sum: f64 = rows
                    .iter()
                    .map(|&row| f64::from(lesson.target(row as usize, output)))
                    .sum();
                (sum / rows.len().max(1) as f64) as f32
            }));
            leaf
        };
        self.nodes[place] = Node::leaf(next);
    }
}

/// Brings those that go left to the front; how many they are.
fn partition(rows: &mut [u32], goes_left: impl Fn(&u32) -> bool) -> usize {
    let mut left = 0;
    for place in 0..rows.len() {
        if goes_left(&rows[place]) {
            rows.swap(left, place);
            left += 1;
        }
    }
    left
}

/// The best split over a few inputs drawn at random; inputs that are the same in all rows do not count among them. None for rows
/// that are not to be divided.
fn best_split(
    lesson: &Lesson<'_>,
    rows: &[u32],
    order: &mut [usize],
    keys: &mut Vec<u64>,
    random: &mut ChaCha8Rng,
) -> Option<Split> {
    let is_done = match lesson.classes() {
        Some(classes) => {
            let first = classes[*rows.first()? as usize];
            rows.iter().all(|&row| classes[row as usize] == first)
        }
        None => rows.len() <= FEW_ROWS,
    };
    if is_done {
        return None;
    }
    let inputs = order.len();
    let wanted = match lesson.classes() {
        Some(_) => (inputs as f64).sqrt() as usize,
        None => inputs.div_ceil(3),
    }
    .max(1);
    let mut scorer = Scorer::new(lesson, rows);
    let mut best: Option<Split> = None;
    let mut tried = 0;
    for place in 0..inputs {
        if tried == wanted {
            break;
        }
        let other = random.random_range(place..inputs);
        order.swap(place, other);
        let input = order[place];
        keys.clear();
        keys.extend(rows.iter().map(|&row| {
            let value = lesson.samples[row as usize * inputs + input];
            u64::from(ordered(value)) << 32 | u64::from(row)
        }));
        keys.sort_unstable();
        let is_constant = keys.first().map(|key| key >> 32) == keys.last().map(|key| key >> 32);
        if is_constant {
            continue;
        }
        tried += 1;
        scorer.begin();
        for pair in keys.windows(2) {
            scorer.move_left(pair[0] as u32 as usize);
            let (here, next) = ((pair[0] >> 32) as u32, (pair[1] >> 32) as u32);
            if here == next {
                continue;
            }
            let gain = scorer.gain();
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(Split {
                    input,
                    threshold: between(unordered(here), unordered(next)),
                    gain,
                });
            }
        }
    }
    best
}

/// The bits of a number in such a form that they order as the numbers do.
fn ordered(value: f32) -> u32 {
    // Both zeros are one number.
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn unordered(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

/// A number at least `low` and below `high`.
fn between(low: f32, high: f32) -> f32 {
    let middle = low.midpoint(high);
    if middle < high { middle } else { low }
}

/// How well a division separates the classes, or gathers like values; rows go over from right to left.
struct Scorer<'a> {
    lesson: &'a Lesson<'a>,
    /// Of each output the sum over all rows of the node (of classes the count).
    all: Vec<f64>,
    left: Vec<f64>,
    rows: f64,
    left_rows: f64,
    /// Sums of the squares of `left`, and of what is right of it.
    squares: [f64; 2],
}

impl<'a> Scorer<'a> {
    fn new(lesson: &'a Lesson<'a>, rows: &[u32]) -> Self {
        let mut all = vec![0.0; lesson.outputs];
        for &row in rows {
            match lesson.classes() {
                Some(classes) => all[classes[row as usize] as usize] += 1.0,
                None => {
                    for (output, sum) in all.iter_mut().enumerate() {
                        *sum += f64::from(lesson.target(row as usize, output));
                    }
                }
            }
        }
        Self {
            lesson,
            left: vec![0.0; all.len()],
            all,
            rows: rows.len() as f64,
            left_rows: 0.0,
            squares: [0.0; 2],
        }
    }

    fn begin(&mut self) {
        self.left.fill(0.0);
        self.left_rows = 0.0;
        self.squares = [0.0, self.all.iter().map(|sum| sum * sum).sum()];
    }

    fn move_left(&mut self, row: usize) {
        self.left_rows += 1.0;
        let Self { left, all, squares, .. } = self;
        let mut add = |output: usize, value: f64| {
            let (before, right) = (left[output], all[output] - left[output]);
            left[output] += value;
            squares[0] += value * (2.0 * before + value);
            squares[1] += value * (value - 2.0 * right);
        };
        match self.lesson.classes() {
            Some(classes) => add(classes[row] as usize, 1.0),
            None => {
                for output in 0..self.lesson.outputs {
                    add(output, f64::from(self.lesson.target(row, output)));
                }
            }
        }
    }

    /// Sum of the squares over the rows of each side: largest where Gini's impurity, or the squared error, is least.
    fn gain(&self) -> f64 {
        self.squares[0] / self.left_rows + self.squares[1] / (self.rows - self.left_rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_order_as_numbers_do() {
        let numbers = [f32::MIN, -2.5, -1e-30, 0.0, 1e-30, 3.0, f32::MAX];
        for pair in numbers.windows(2) {
            assert!(ordered(pair[0]) < ordered(pair[1]));
            let middle = between(pair[0], pair[1]);
            assert!(pair[0] <= middle && middle < pair[1], "{middle}");
        }
        assert_eq!(ordered(-0.0), ordered(0.0));
        assert!(numbers.iter().all(|&number| unordered(ordered(number)) == number));
        let (low, high) = (1.0_f32, 1.0_f32.next_up());
        assert_eq!(between(low, high), low);
    }
}
