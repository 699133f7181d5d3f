//! Gives every value of a graph its place in one arena, from the operation that makes it to the last that reads it.

use super::kernel::Kernel;
use super::read::{Graph, Operation};

/// A graph that is ready to run.
pub struct Plan {
    pub steps: Vec<Step>,
    pub output: Source,
    /// Floats of the arena for a batch of one.
    pub arena: usize,
    pub staged: Staged,
    pub weight_bytes: usize,
    pub integer_layers: Vec<String>,
    /// Below what the numbers of the input must be, where they are tokens.
    pub vocabulary: Option<usize>,
}

/// What is done, and where everything lies; places and lengths are for a batch of one.
pub struct Step {
    pub kernel: Kernel,
    pub sources: Vec<Source>,
    pub start: usize,
    pub len: usize,
    /// Floats behind the result that the step works in.
    pub room: usize,
    /// The first source is where the result will be.
    pub in_place: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Input,
    Arena { start: usize, len: usize },
}

/// Room for one sample, or some rows, that does not grow with the batch.
#[derive(Clone, Copy, Default)]
pub struct Staged {
    pub floats: usize,
    pub integers: usize,
    pub image: usize,
    pub bytes: usize,
    pub result: usize,
    pub columns: usize,
}

impl Staged {
    fn largest(self, other: Self) -> Self {
        Self {
            floats: self.floats.max(other.floats),
            integers: self.integers.max(other.integers),
            image: self.image.max(other.image),
            bytes: self.bytes.max(other.bytes),
            result: self.result.max(other.result),
            columns: self.columns.max(other.columns),
        }
    }
}

/// A piece of the arena that is taken.
struct Block {
    root: usize,
    start: usize,
    len: usize,
}

/// Plans a graph.
pub fn plan(mut graph: Graph) -> Plan {
    drop_unread(&mut graph);
    let root = |value: usize| graph.values[value].root;
    let output = root(graph.output);
    let mut last_read = vec![0; graph.values.len()];
    for (index, operation) in graph.operations.iter().enumerate() {
        for &source in &operation.sources {
            last_read[root(source)] = index;
        }
    }
    last_read[output] = usize::MAX;
    let mut plan = Plan {
        steps: Vec::with_capacity(graph.operations.len() + 1),
        output: Source::Input,
        arena: 0,
        staged: Staged::default(),
        weight_bytes: 0,
        integer_layers: Vec::new(),
        vocabulary: graph.vocabulary,
    };
    // In the order of their places.
    let mut blocks: Vec<Block> = Vec::new();
    let length = |value: usize| graph.values[value].shape.len();
    if output == 0 {
        // The input is the output: a copy.
        let len = length(0);
        plan.arena = len;
        plan.output = Source::Arena { start: 0, len };
        plan.steps.push(Step {
            kernel: Kernel::Copy,
            sources: vec![Source::Input],
            start: 0,
            len,
            room: 0,
            in_place: false,
        });
        return plan;
    }
    for (index, operation) in graph.operations.into_iter().enumerate() {
        blocks.retain(|block| last_read[block.root] >= index);
        let place = |blocks: &[Block], root: usize| blocks.iter().position(|block| block.root == root);
        let roots: Vec<usize> = operation
            .sources
            .iter()
            .map(|&source| graph.values[source].root)
            .collect();
        let sources = roots
            .iter()
            .map(|&root| match place(&blocks, root).map(|at| &blocks[at]) {
                Some(&Block { start, len, .. }) => Source::Arena { start, len },
                None => Source::Input,
            })
            .collect();
        let len = graph.values[operation.out].shape.len();
        let room = operation.kernel.room();
        let reused = roots.split_first().and_then(|(first, others)| {
            let at = place(&blocks, *first)?;
            let dies = last_read[*first] == index && !others.contains(first) && blocks[at].len == len;
            (operation.kernel.works_in_place() && dies && room == 0).then_some(at)
        });
        let start = if let Some(at) = reused {
            blocks[at].root = operation.out;
            blocks[at].start
        } else {
            let (at, start) = free_place(&blocks, len + room);
            let root = operation.out;
            blocks.insert(at, Block { root, start, len });
            start
        };
        plan.arena = plan.arena.max(start + len + room);
        plan.add(operation, sources, start, [len, room], reused.is_some());
        if let Some(step) = plan.steps.last()
            && graph.values[output].root == output
            && blocks
                .iter()
                .any(|block| block.root == output && block.start == step.start)
        {
            plan.output = Source::Arena { start, len };
        }
    }
    plan
}

impl Plan {
    fn add(
        &mut self,
        operation: Operation,
        sources: Vec<Source>,
        start: usize,
        [len, room]: [usize; 2],
        in_place: bool,
    ) {
        self.staged = self.staged.largest(operation.staged);
        self.weight_bytes += operation.kernel.weight_bytes();
        self.integer_layers.extend(operation.integer);
        self.steps.push(Step {
            kernel: operation.kernel,
            sources,
            start,
            len,
            room,
            in_place,
        });
    }
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
