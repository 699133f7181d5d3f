//! Shapes of values for any batch, and the walks over memory that they stand for.

/// The most dimensions of a value.
pub const MAX_RANK: usize = 6;

/// One number for each dimension, outermost first; those behind the rank are not used.
pub type Dims = [usize; MAX_RANK];

/// A shape in which one dimension is multiplied by the batch, so that everything about it is known before the batch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    pub rank: usize,
    /// For a batch of one.
    pub dims: Dims,
    /// The dimension that grows with the batch.
    pub batch: usize,
}

impl Shape {
    /// `None` where there are too many dimensions, or so many values that they cannot be counted.
    pub fn new(dims: &[usize], batch: usize) -> Option<Self> {
        let mut shape = Self {
            rank: dims.len(),
            dims: [1; MAX_RANK],
            batch,
        };
        shape.dims.get_mut(..dims.len())?.copy_from_slice(dims);
        dims.iter().try_fold(1_usize, |len, &dim| len.checked_mul(dim))?;
        (batch < dims.len()).then_some(shape)
    }

    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank]
    }

    /// Values for a batch of one.
    pub fn len(&self) -> usize {
        self.dims().iter().product()
    }

    /// The dimensions for a batch.
    pub fn of(&self, batch: usize) -> Dims {
        let mut dims = self.dims;
        dims[self.batch] *= batch;
        dims
    }

    /// Values before and behind an axis, for a batch.
    pub fn around(&self, axis: usize, batch: usize) -> [usize; 2] {
        let dims = self.of(batch);
        [
            dims[..axis].iter().product(),
            dims[axis + 1..self.rank].iter().product(),
        ]
    }

    /// The axis that a possibly negative number of the file names.
    pub fn axis(&self, axis: i64) -> Option<usize> {
        let rank = self.rank as i64;
        let axis = if axis < 0 { axis + rank } else { axis };
        usize::try_from(axis).ok().filter(|&axis| axis < self.rank)
    }
}

/// Steps from one element to the next along each axis.
pub fn strides(dims: &[usize]) -> Dims {
    let mut strides = [0; MAX_RANK];
    let mut stride = 1;
    for axis in (0..dims.len()).rev() {
        strides[axis] = stride;
        stride *= dims[axis];
    }
    strides
}

/// Visits the rows of a tensor of `dims`, runs along the last axis, in their order, with the place where each begins in tensors of
/// other `strides`.
pub fn each_row<const K: usize>(dims: &[usize], strides: [Dims; K], mut visit: impl FnMut([usize; K])) {
    let Some((_, outer)) = dims.split_last() else {
        return visit([0; K]);
    };
    if dims.contains(&0) {
        return;
    }
    let mut place = [0; K];
    let mut index = [0; MAX_RANK];
    loop {
        visit(place);
        let mut axis = outer.len();
        loop {
            let Some(next) = axis.checked_sub(1) else { return };
            axis = next;
            index[axis] += 1;
            for (place, strides) in place.iter_mut().zip(&strides) {
                *place += strides[axis];
            }
            if index[axis] < dims[axis] {
                break;
            }
            for (place, strides) in place.iter_mut().zip(&strides) {
                *place -= strides[axis] * dims[axis];
            }
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_visited_in_order_with_their_places() {
        // A transposed view of `[2, 3, 4]` as `[3, 2, 4]`.
        let view = [[4, 12, 1, 0, 0, 0]];
        let mut places = Vec::new();
        each_row(&[3, 2, 4], view, |[place]| places.push(place));
        assert_eq!(places, [0, 12, 4, 16, 8, 20]);
    }

    #[test]
    fn a_batch_multiplies_one_dimension() {
        let shape = Shape::new(&[8, 1, 5], 1).unwrap();
        assert_eq!(shape.of(7)[..3], [8, 7, 5]);
        assert_eq!(shape.around(2, 7), [56, 1]);
        assert_eq!((shape.axis(-1), shape.axis(3)), (Some(2), None));
        assert!(Shape::new(&[1 << 40, 1 << 40], 0).is_none());
    }
}
