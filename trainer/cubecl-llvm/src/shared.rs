//! What its targets share.

pub mod lowered_features {
    //! Features that the backend lowers.

    use cubecl_core::ir::DeviceProperties;

    /// A target.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum GpuTarget {
        /// NVIDIA's GPUs.
        Nvptx,
    }

    /// Takes nothing away: only the backend that is not here needs less.
    pub fn restrict_features(_properties: &mut DeviceProperties, _target: GpuTarget) {}
}
