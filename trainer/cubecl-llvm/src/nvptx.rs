//! What concerns NVIDIA's GPUs.

pub mod ptx_version {
    //! Versions of PTX.

    use std::fmt;

    /// A version of PTX that no driver has here.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct PtxVersion(u32);

    impl PtxVersion {
        /// The newest version of a driver: none, since nothing is emitted.
        pub fn for_driver(_driver: i32) -> Option<Self> {
            None
        }
    }

    impl fmt::Display for PtxVersion {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "ptx{}", self.0)
        }
    }
}
