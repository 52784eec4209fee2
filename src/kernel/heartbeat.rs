//! The heartbeat channel: says what it hears.

/// Starts the thread, which lives as long as the kernel.
pub fn start(socket: zmq::Socket) {
    std::thread::spawn(move || {
        while let Ok(beat) = socket.recv_multipart(0) {
            if socket.send_multipart(beat, 0).is_err() {
                break;
            }
        }
    });
}
