//! Handlers that come with the binary; import only the public face of `worker`.
