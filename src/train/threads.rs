//! How many threads training is worth.
//!
//! Threads that compute a layer together wait for one another at its end. On layers that take microseconds they wait
//! longer than they work: measured on two cores, the digits' U-Net takes 60 ms a step with two spinning threads and
//! 78 ms with one, but with anything else running (a browser, a build) 800 ms with two, and still 75 ms with one.

use crate::net::Network;

/// Parameters times positions times images, a layer, below which one thread is the better choice.
const SMALL: f64 = 3e7;

/// Keeps libtorch at one thread as long as it lives.
pub(super) struct OneThread {
    before: i32,
}

impl OneThread {
    /// For a network whose layers are small at this batch size; `None` for others, and where `OMP_NUM_THREADS` says
    /// what the reader wants.
    pub(super) fn if_small(network: &dyn Network, batch_size: usize) -> Option<Self> {
        if std::env::var_os("OMP_NUM_THREADS").is_some() || network.device() != tch::Device::Cpu {
            return None;
        }
        // Where the layers are convolutions, each weight is used at every position.
        let positions: i64 = network.sample_shape().iter().skip(1).product();
        let layers = network.parameters().named().len().max(1);
        let work = network.parameter_count() as f64 * positions as f64 * batch_size as f64 / layers as f64;
        if work > SMALL {
            return None;
        }
        let before = tch::get_num_threads();
        tch::set_num_threads(1);
        Some(Self { before })
    }
}

impl Drop for OneThread {
    fn drop(&mut self) {
        tch::set_num_threads(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UNet;
    use tch::Device;

    #[test]
    fn small_networks_get_one_thread_and_large_ones_keep_theirs() {
        let small = UNet::builder().channels(1).image_size(8).base_channels(16).blocks(1).device(Device::Cpu);
        let large = UNet::builder().channels(1).image_size(32).base_channels(32).device(Device::Cpu).build().unwrap();
        let before = tch::get_num_threads();
        let guard = OneThread::if_small(&small.build().unwrap(), 64);
        if std::env::var_os("OMP_NUM_THREADS").is_none() {
            assert!(guard.is_some() && tch::get_num_threads() == 1);
        }
        drop(guard);
        assert_eq!(tch::get_num_threads(), before);
        assert!(OneThread::if_small(&large, 64).is_none());
    }
}
