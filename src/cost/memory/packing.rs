//! What the matrix product copies: read from gemm 0.19.

/// Of a sum over more products than these, the matrix product takes a part at a time.
const DEPTH: u64 = 512;

/// Rows of the block that the matrix product computes in registers.
fn block() -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        return 64;
    }
    16
}

/// The copy of its left factor that a matrix product makes, `rows` high and summed over `depth` products, where the factor's
/// rows are contiguous. Very small products are computed as dot products in place, and very high ones a block at a time.
pub fn packed(rows: u64, columns: u64, depth: u64) -> u64 {
    // The rows are filled up to whole blocks. A product over one or two, or with a single row, is none.
    if rows * columns <= 256 || depth <= 2 || rows <= 1 || rows > 16 * block() {
        return 0;
    }
    let parts = depth.div_ceil(DEPTH);
    4 * depth.div_ceil(parts) * rows.next_multiple_of(block())
}
