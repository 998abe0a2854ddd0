//! Devices that fail in the middle of their work: where that shows, and how it is told.
//!
//! Rules: elements come back from a device in [`fetch`] alone, and there its earlier failures show.
//! Absent on purpose: going on after a failure, since what the device held is gone.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use burn_tensor::Tensor;
use thiserror::Error;

/// A device that gave up in the middle of its work.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the device failed: {0}")]
pub(crate) struct DeviceFailed(String);

/// The elements of a tensor, once its device has computed them.
///
/// Operations give no errors, or each line of the model would handle one: a failure leaves the work
/// by unwinding, as far as [`guarded`].
pub(super) fn fetch<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    match tensor.try_into_vec_as::<f32>() {
        Ok(elements) => elements,
        Err(error) => resume_unwind(Box::new(DeviceFailed(format!("{error:?}")))),
    }
}

/// Does `work`, in which a device may fail. A defect of our own goes on unwinding.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, DeviceFailed> {
    // What the work leaves half done is dropped with it: a failed device ends the verb.
    catch_unwind(AssertUnwindSafe(work)).map_err(|thrown| match thrown.downcast() {
        Ok(failed) => *failed,
        Err(defect) => resume_unwind(defect),
    })
}

/// Why something unwound, as far as it says so.
pub(super) fn reason(thrown: &(dyn Any + Send)) -> String {
    let failed = thrown.downcast_ref().map(|DeviceFailed(why)| why.clone());
    let text = || thrown.downcast_ref::<String>().cloned();
    let words = || thrown.downcast_ref::<&str>().map(|&words| words.to_owned());
    let told = failed.or_else(text).or_else(words);
    told.unwrap_or_else(|| "it does not say why".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_device_is_told_and_a_defect_is_not_taken_for_one() {
        let fails = || resume_unwind(Box::new(DeviceFailed("lost".to_owned())));
        assert_eq!(guarded(|| 1), Ok(1));
        let told = guarded::<()>(fails).expect_err("a failure");
        assert_eq!(told.to_string(), "the device failed: lost");
        let defect = catch_unwind(|| guarded::<()>(|| resume_unwind(Box::new("a defect"))));
        assert!(defect.is_err_and(|thrown| thrown.is::<&str>()));
    }

    #[test]
    fn what_unwound_says_why() {
        let failed = DeviceFailed("lost".to_owned());
        assert_eq!(reason(&failed), "lost");
        assert_eq!(reason(&"no memory"), "no memory");
        assert_eq!(reason(&"no driver".to_owned()), "no driver");
        assert_eq!(reason(&7), "it does not say why");
    }

    /// Runs where `SCHLIFF_DEVICE` names a device: the host would try to find the memory.
    #[cfg(feature = "gpu")]
    #[test]
    fn a_device_without_the_memory_is_told() {
        use crate::tensor::Matrix;
        use crate::tensor::device::{Device, Wanted};
        if Wanted::from_environment().is_ok_and(Wanted::is_host) {
            return;
        }
        let one = Matrix::zeros(1, 1).moved_to(&Device::under_test());
        let four_tib = || one.zeros_beside(1 << 20, 1 << 20).row_view(0..1).to_vec();
        let told = guarded(four_tib).expect_err("no device has as much");
        assert!(
            told.to_string().starts_with("the device failed: "),
            "{told}"
        );
    }
}
