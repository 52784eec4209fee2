//! The order of an image's numbers in memory.

use crate::Result;
use tch::Tensor;

/// `x` (N x C x H x W) with its channels side by side in memory. The layers that follow keep to it.
pub(super) fn channels_last(x: &Tensor) -> Result<Tensor> {
    let (count, channels, height, width) = x.size4()?;
    let x = x.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    // The strides say which layout is meant; those of a single channel would leave it open.
    let strides = [height * width * channels, 1, width * channels, channels];
    Ok(x.f_as_strided([count, channels, height, width], strides, None)?)
}

#[cfg(test)]
mod tests {
    use crate::net::Network;
    use crate::{Schedule, UNet, schedule::Levels};
    use tch::{Device, Kind, Tensor, no_grad_guard};

    #[test]
    fn the_layout_changes_no_number() {
        for channels in [1, 3] {
            let x = Tensor::arange(2 * channels * 256, (Kind::Float, Device::Cpu)).sin().view([2, channels, 16, 16]);
            let last = super::channels_last(&x).unwrap();
            assert_eq!((last.stride()[1], last.stride()[3]), (1, channels));
            assert_eq!(last, x);
            let levels = Levels::new(&Schedule::linear(1_000).unwrap(), [3, 777]).unwrap();
            let unet =
                |last| UNet::builder().channels(channels).image_size(16).base_channels(8).channels_last(last).build();
            let article = |last| UNet::article().channels(channels).image_size(16).channels_last(last).build();
            let [plain, last] = [false, true].map(|last| {
                let (unet, article) = (unet(last).unwrap(), article(last).unwrap());
                let _guard = no_grad_guard();
                let flat = unet.parameters().flat();
                let stir = Tensor::arange(flat.numel() as i64, (Kind::Float, flat.device())).sin() * 0.1;
                let _ = unet.parameters().flat().f_add_(&stir).unwrap();
                [unet.forward(&x, &levels, None).unwrap(), article.forward(&x, &levels, None).unwrap()]
            });
            for (plain, last) in plain.iter().zip(&last) {
                assert!(last.is_contiguous());
                let apart = (plain - last).norm().double_value(&[]) / plain.norm().double_value(&[]);
                assert!(apart < 1e-4, "{apart}");
            }
        }
    }
}
