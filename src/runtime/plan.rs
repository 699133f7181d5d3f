//! Gives every value of a graph its place in an arena of floats or one of bytes, from the operation that makes it to the last that
//! reads it, and cuts the graph in two where images or steps end and single rows begin.
//!
//! The first part runs some samples at a time, so that its values stay in the cache; the second runs the whole batch, so that
//! the weights of its dense layers are read once.

use super::kernel::Kernel;
use super::layers::Staged;
use super::read::{Graph, Operation, Value};

/// Bytes of values that the first part of a network works in at a time: a good part of a core's second cache.
const CACHED: usize = 384 << 10;
/// Weights above this size are worth reading for many samples at once.
const HEAVY: usize = 192 << 10;
/// As many, as long as their values take no more than this.
const MANY: usize = 16;
const LARGE: usize = 4 << 20;

/// A graph that is ready to run.
pub struct Plan {
    pub parts: Vec<Part>,
    pub staged: Staged,
    /// Lines and columns of the largest packed value.
    pub packing: [usize; 2],
    pub weight_bytes: usize,
    pub integer_layers: Vec<String>,
    /// Below what the numbers of the input must be, where they are tokens.
    pub vocabulary: Option<usize>,
}

/// Steps that run one after another, for some samples at a time.
pub struct Part {
    pub steps: Vec<Step>,
    /// Samples that are run at a time; none where all are.
    pub block: Option<usize>,
    /// Floats and bytes of the arenas for one sample.
    pub floats: usize,
    pub bytes: usize,
    /// Values of a sample that it reads.
    pub input_len: usize,
    /// Values of a sample of its result, and whether they are bytes.
    pub output_len: usize,
    pub to_bytes: bool,
}

/// What is done, and where everything lies; places and lengths are for a batch of one.
pub struct Step {
    pub kernel: Kernel,
    pub sources: Vec<Source>,
    pub target: Target,
    pub len: usize,
    /// Floats behind the result that the step works in.
    pub room: usize,
    pub to_bytes: bool,
    /// The first source is where the result will be.
    pub in_place: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    Input,
    Floats { start: usize, len: usize },
    Bytes { start: usize, len: usize },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// At this place of the arena.
    Arena(usize),
    /// In the result of the part; only what the step works in is in the arena, at this place.
    Result(usize),
}

/// A piece of an arena that is taken.
struct Block {
    root: usize,
    start: usize,
    len: usize,
}

impl Part {
    /// The most samples that are run at a time of a batch.
    pub fn most(&self, batch: usize) -> usize {
        self.block.unwrap_or(usize::MAX).min(batch)
    }
}

/// Plans a graph.
pub fn plan(mut graph: Graph) -> Plan {
    drop_unread(&mut graph);
    let mut plan = Plan {
        parts: Vec::new(),
        staged: Staged::default(),
        packing: [0; 2],
        weight_bytes: 0,
        integer_layers: Vec::new(),
        vocabulary: graph.vocabulary,
    };
    let output = graph.values[graph.output].root;
    if graph.operations.is_empty() {
        // The input is the output: a copy.
        let len = graph.values[0].shape.len();
        plan.parts.push(Part {
            steps: vec![Step {
                kernel: Kernel::Copy,
                sources: vec![Source::Input],
                target: Target::Result(0),
                len,
                room: 0,
                to_bytes: false,
                in_place: false,
            }],
            block: None,
            floats: 0,
            bytes: 0,
            input_len: len,
            output_len: len,
            to_bytes: false,
        });
        return plan;
    }
    for operation in &graph.operations {
        plan.staged = plan.staged.largest(operation.staged);
        if let Kernel::MatMul(product) = &operation.kernel {
            let [lines, columns] = product.room();
            plan.packing = [plan.packing[0].max(lines), plan.packing[1].max(columns)];
        }
        plan.weight_bytes += operation.kernel.weight_bytes();
        plan.integer_layers.extend(operation.integer.clone());
    }
    let (rows_from, crossing) = cut(&graph);
    let values = &graph.values;
    let mut first = graph.operations;
    let second = first.split_off(rows_from);
    if first.is_empty() {
        plan.parts.push(part(values, second, 0, output, false));
    } else if second.is_empty() {
        plan.parts.push(part(values, first, 0, output, true));
    } else {
        plan.parts.push(part(values, first, 0, crossing, true));
        plan.parts.push(part(values, second, crossing, output, false));
    }
    plan
}

/// From which operation on every value is one row for each sample and all depend on one value alone, and that value. Without such an
/// operation, the number of operations.
fn cut(graph: &Graph) -> (usize, usize) {
    let mut at = (graph.operations.len(), 0);
    for (index, operation) in graph.operations.iter().enumerate().rev() {
        let shape = graph.values[operation.out].shape;
        if shape.rank != 2 || shape.batch != 0 || shape.dims[0] != 1 {
            break;
        }
        let made_before = |root: usize| {
            let before = &graph.operations[..index];
            root == 0 || before.iter().any(|operation| operation.out == root)
        };
        let mut crossing = None;
        let mut is_alone = true;
        let sources = graph.operations[index..]
            .iter()
            .flat_map(|operation| &operation.sources);
        for root in sources
            .map(|&source| graph.values[source].root)
            .filter(|&root| made_before(root))
        {
            is_alone &= *crossing.get_or_insert(root) == root;
        }
        if let (Some(crossing), true) = (crossing, is_alone)
            && (crossing != 0 || index == 0)
        {
            at = (index, crossing);
        }
    }
    at
}

/// Plans operations that make `output` of `input`.
fn part(values: &[Value], operations: Vec<Operation>, input: usize, output: usize, in_blocks: bool) -> Part {
    let root = |value: usize| values[value].root;
    let mut last_read = vec![0; values.len()];
    for (index, operation) in operations.iter().enumerate() {
        for &source in &operation.sources {
            last_read[root(source)] = index;
        }
    }
    let mut part = Part {
        steps: Vec::with_capacity(operations.len()),
        block: None,
        floats: 0,
        bytes: 0,
        input_len: values[input].shape.len(),
        output_len: values[output].shape.len(),
        to_bytes: values[output].grid.is_some(),
    };
    // A grid that is made of all samples needs all of them.
    let needs_all = operations
        .iter()
        .any(|operation| matches!(operation.kernel, Kernel::Dynamic(_)));
    let steps = operations
        .iter()
        .any(|operation| matches!(operation.kernel, Kernel::Recurrent(_)));
    let weights: usize = operations.iter().map(|operation| operation.kernel.weight_bytes()).sum();
    // Of floats and of bytes, in the order of their places.
    let mut arenas: [Vec<Block>; 2] = [Vec::new(), Vec::new()];
    for (index, operation) in operations.into_iter().enumerate() {
        for blocks in &mut arenas {
            blocks.retain(|block| last_read[block.root] >= index);
        }
        let roots: Vec<usize> = operation.sources.iter().map(|&source| root(source)).collect();
        let place = |blocks: &[Block], root: usize| blocks.iter().position(|block| block.root == root);
        let sources = roots
            .iter()
            .map(|&root| {
                let find = |arena: usize| place(&arenas[arena], root).map(|at| &arenas[arena][at]);
                match (find(0), find(1)) {
                    (Some(&Block { start, len, .. }), _) => Source::Floats { start, len },
                    (_, Some(&Block { start, len, .. })) => Source::Bytes { start, len },
                    _ => Source::Input,
                }
            })
            .collect();
        let to_bytes = values[operation.out].grid.is_some();
        let blocks = &mut arenas[usize::from(to_bytes)];
        let len = values[operation.out].shape.len();
        let room = operation.kernel.room();
        let is_result = operation.out == output;
        let reused = roots.split_first().and_then(|(first, others)| {
            let at = place(blocks, *first)?;
            let dies = last_read[*first] == index && !others.contains(first) && blocks[at].len == len;
            (operation.kernel.works_in_place() && dies && room == 0 && !is_result).then_some(at)
        });
        let target = if let Some(at) = reused {
            blocks[at].root = operation.out;
            Target::Arena(blocks[at].start)
        } else {
            let needed = if is_result { room } else { len + room };
            let (at, start) = free_place(blocks, needed);
            let end = if to_bytes { &mut part.bytes } else { &mut part.floats };
            *end = (*end).max(start + needed);
            if is_result {
                Target::Result(start)
            } else {
                let root = operation.out;
                blocks.insert(at, Block { root, start, len });
                Target::Arena(start)
            }
        };
        part.steps.push(Step {
            kernel: operation.kernel,
            sources,
            target,
            len,
            room,
            to_bytes,
            in_place: reused.is_some(),
        });
    }
    if in_blocks && !needs_all {
        let sample = (part.floats * size_of::<f32>() + part.bytes).max(1);
        // A step of a recurrent layer is a small product: rows make it worth its while.
        let many = if weights > HEAVY || steps {
            MANY.min(LARGE / sample)
        } else {
            1
        };
        part.block = Some((CACHED / sample).max(many).max(1));
    }
    part
}

/// Removes the operations whose results nobody reads.
fn drop_unread(graph: &mut Graph) {
    let mut read = vec![false; graph.values.len()];
    read[graph.values[graph.output].root] = true;
    let mut kept: Vec<bool> = Vec::with_capacity(graph.operations.len());
    for operation in graph.operations.iter().rev() {
        let needed = read[operation.out];
        kept.push(needed);
        if needed {
            for &source in &operation.sources {
                read[graph.values[source].root] = true;
            }
        }
    }
    graph.operations.retain(|_| kept.pop().unwrap_or(true));
}

/// The first place where so much fits between the taken blocks: its index among them, and where it begins.
fn free_place(blocks: &[Block], len: usize) -> (usize, usize) {
    let mut start = 0;
    for (index, block) in blocks.iter().enumerate() {
        if block.start >= start + len {
            return (index, start);
        }
        start = start.max(block.start + block.len);
    }
    (blocks.len(), start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(root: usize, start: usize, len: usize) -> Block {
        Block { root, start, len }
    }

    #[test]
    fn the_first_gap_that_fits_is_taken() {
        let blocks = [block(1, 0, 4), block(2, 6, 2), block(3, 20, 5)];
        assert_eq!(free_place(&blocks, 2), (1, 4));
        assert_eq!(free_place(&blocks, 3), (2, 8));
        assert_eq!(free_place(&blocks, 13), (3, 25));
        assert_eq!(free_place(&[], 7), (0, 0));
    }
}
