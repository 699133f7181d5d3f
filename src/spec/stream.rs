//! Named random streams of a run's seed, so that everything drawn is reproducible and no draw disturbs another.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The generator for one purpose of a run, such as `"shuffle"` or `"dropout"`; `index` numbers repetitions (the epoch, the step).
///
/// Same arguments, same sequence, on every machine.
pub fn stream(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    // FNV-1a: a fixed, platform-independent hash of the purpose's name.
    let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&hash.to_le_bytes());
    key[16..24].copy_from_slice(&index.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}
