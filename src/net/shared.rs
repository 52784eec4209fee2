//! What the networks of this crate have in common: each is a pointer to its description, weights, summary and layers.

/// Copies, files, a line and a table of a network with its weights `inner`; the examples begin with what makes one.
macro_rules! shared {
    ($network:ident, $made:literal) => {
        impl $network {
            /// A network with weights of its own, equal to these. (A clone shares them.)
            ///
            /// # Errors
            /// What libtorch says when there is no memory left.
            ///
            /// ```
            /// # use noisebook::prelude::*;
            #[doc = concat!("# let network = ", $made, ";")]
            /// let copy = network.copy()?;
            /// assert_eq!(copy.parameters().named(), network.parameters().named()); // equal now; training one leaves the other
            /// # Ok::<(), noisebook::Error>(())
            /// ```
            pub fn copy(&self) -> $crate::Result<Self> {
                let copy = Self::from_valid(self.inner.config.clone())?;
                copy.inner.parameters.copy_from(&self.inner.parameters)?;
                Ok(copy)
            }

            /// Writes the network as a safetensors file: the weights under their names, and its description as JSON in the
            /// header. PyTorch opens it too (`safetensors.torch.load_file`). The file appears whole or not at all; what is
            /// frozen is part of it.
            ///
            /// # Errors
            /// A path that cannot be written.
            ///
            /// ```
            /// # use noisebook::prelude::*;
            #[doc = concat!("# let path = std::env::temp_dir().join(\"noisebook-doc-", stringify!($network), "\");")]
            #[doc = concat!("# let network = ", $made, ";")]
            /// network.save(&path)?;
            /// # std::fs::remove_file(path).unwrap();
            /// # Ok::<(), noisebook::Error>(())
            /// ```
            pub fn save(&self, path: impl AsRef<std::path::Path>) -> $crate::Result<()> {
                $crate::net::saved::save(self, path.as_ref())
            }
        }

        impl std::fmt::Debug for $network {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.in_a_line())
            }
        }

        impl $crate::show::Show for $network {
            fn bundle(&self) -> $crate::Result<$crate::show::Bundle> {
                self.inner.summary.table(self.in_a_line(), &self.inner.parameters).bundle()
            }
        }
    };
}

/// The methods of [`Network`](super::Network) that `inner` answers, and what the network sees of its levels, `waves_of` them.
macro_rules! told_by_inner {
    () => {
        fn parameters(&self) -> &$crate::net::Parameters {
            &self.inner.parameters
        }

        fn classes(&self) -> Option<i64> {
            self.inner.config.classes
        }

        fn copy_network(&self) -> $crate::Result<std::rc::Rc<dyn $crate::net::Network>> {
            Ok(std::rc::Rc::new(self.copy()?))
        }

        fn encode(&self, levels: &$crate::schedule::Levels) -> $crate::Result<Option<tch::Tensor>> {
            self.waves_of(levels).map(Some)
        }

        fn description(&self) -> String {
            self.inner.config.describe().to_string()
        }
    };
}

pub(super) use {shared, told_by_inner};
