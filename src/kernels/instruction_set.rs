//! Which of the processor's instructions the kernels use: chosen when the program runs, or forced by a test.

use std::fmt;

/// A set of instructions that the kernels are written for, from the plainest to the widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstructionSet {
    /// Plain Rust, on any processor.
    Scalar,
    /// AVX2, FMA and F16C: exact u8 x s8 products through 16-bit integers.
    Avx2,
    /// The above and AVX-VNNI: four u8 x s8 products a lane, eight lanes at once.
    AvxVnni,
    /// AVX-512 with VNNI: four u8 x s8 products a lane, sixteen lanes at once.
    Avx512Vnni,
}

impl InstructionSet {
    /// All sets, from the plainest to the widest.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni];

    /// The widest set that this processor has.
    pub fn best() -> Self {
        Self::ALL
            .into_iter()
            .rev()
            .find(|set| set.is_available())
            .unwrap_or(Self::Scalar)
    }

    /// Whether this processor has the set.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let avx2 = has!("avx2") && has!("fma") && has!("f16c");
            match self {
                Self::Scalar => true,
                Self::Avx2 => avx2,
                Self::AvxVnni => avx2 && has!("avxvnni"),
                Self::Avx512Vnni => {
                    avx2 && has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512vnni")
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Scalar
        }
    }

    /// The name that is shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512Vnni => "avx512-vnni",
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_set_is_available() {
        assert!(InstructionSet::Scalar.is_available());
        assert!(InstructionSet::best().is_available());
    }
}
