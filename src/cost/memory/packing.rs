//! What the matrix product copies: read from gemm 0.19.

/// Of a sum over more products than these, the matrix product takes a part at a time.
const DEPTH: u64 = 512;

/// Values in a vector register, and the rows of the block that the matrix product computes in registers.
fn registers() -> (u64, u64) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return (16, 64);
        }
        if is_x86_feature_detected!("fma") {
            return (8, 16);
        }
    }
    (4, 16)
}

/// The copy of its left factor that a matrix product makes, `rows` high and summed over `depth` products, where the factor's
/// rows are contiguous. Very small products are computed as dot products in place, and very high ones a block at a time.
pub fn packed(rows: u64, columns: u64, depth: u64) -> u64 {
    if rows * columns <= 256 {
        return 0;
    }
    packed_columns(rows, depth)
}

/// The same where the factor's columns are contiguous: whole registers of them need no copy.
pub fn packed_unless_aligned(rows: u64, depth: u64) -> u64 {
    if rows.is_multiple_of(registers().0) {
        return 0;
    }
    packed_columns(rows, depth)
}

/// The rows are filled up to whole blocks. A product over one or two, or with a single row, is none.
fn packed_columns(rows: u64, depth: u64) -> u64 {
    let (_, block) = registers();
    if depth <= 2 || rows <= 1 || rows > 16 * block {
        return 0;
    }
    let parts = depth.div_ceil(DEPTH);
    4 * depth.div_ceil(parts) * rows.next_multiple_of(block)
}
