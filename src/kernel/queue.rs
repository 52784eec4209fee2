//! Requests on their way to the thread that runs the cells.

use super::lock;
use super::message::Message;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

/// First in, first out; what waits can be taken back.
#[derive(Default)]
pub struct Queue {
    requests: Mutex<VecDeque<Message>>,
    arrived: Condvar,
}

impl Queue {
    pub fn push(&self, request: Message) {
        lock(&self.requests).push_back(request);
        self.arrived.notify_one();
    }

    /// Waits for the next request.
    pub fn next(&self) -> Message {
        let mut requests = lock(&self.requests);
        loop {
            if let Some(request) = requests.pop_front() {
                return request;
            }
            requests = self.arrived.wait(requests).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// All that waits.
    pub fn take_all(&self) -> Vec<Message> {
        lock(&self.requests).drain(..).collect()
    }
}
