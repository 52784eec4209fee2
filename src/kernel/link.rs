//! The packet socket between the kernel and the process that runs the cells.
//!
//! Up come displays (show/frame.rs) and, from a process that just started, the ends of its streams; down go
//! interrupt requests. The kernel keeps both ends: the child's one is inherited again when evcxr starts a new process.

use std::ffi::OsStr;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The first byte of the packet with which a process introduces itself.
const HELLO: u8 = b'R';
/// An interrupt request.
const INTERRUPT: &[u8] = b"I";
/// The first byte of the packet of a process that begins to run a compiled cell.
const BEGUN: u8 = b'B';
/// The whole packet of code that has seen an interrupt request (noisebook::show).
const SEEN: &[u8] = b"S";
/// The whole packet of a process that waits for standard input.
const READS: &[u8] = b"Q";
const LARGEST_PACKET: usize = 64 * 1024;
const ENDS: usize = 5;

/// What a process that just started hands over.
pub struct Streams {
    pub pid: u32,
    pub out: OwnedFd,
    pub err: OwnedFd,
    /// Reads end of file when the process has ended.
    pub alive: OwnedFd,
    /// evcxr's end of the control lines.
    pub control: OwnedFd,
    /// Where answers to reads of standard input go (input.rs).
    pub input: OwnedFd,
}

/// A packet from the child.
pub enum Packet {
    Hello(Streams),
    /// A compiled cell begins to run, from this library.
    Begun(PathBuf),
    /// The running code has seen an interrupt request.
    Seen,
    /// It reads standard input, and waits for an answer.
    Reads,
    /// Anything else, for the reader to understand.
    Bytes(Vec<u8>),
}

/// Both ends of the socket pair.
pub struct Link {
    ours: OwnedFd,
    childs: OwnedFd,
}

impl Link {
    pub fn new() -> io::Result<Self> {
        let mut ends = [0; 2];
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        // SAFETY: `ends` has room for two; on success both are new descriptors that nobody else owns.
        let (ours, childs) = unsafe {
            if libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
        };
        Ok(Self { ours, childs })
    }

    /// Lets the processes that `command` starts inherit the child's end, and end with the kernel.
    pub fn attach(&self, command: &mut Command) {
        let end = self.childs.as_raw_fd();
        command.env(super::child::SOCKET_VARIABLE, end.to_string());
        // SAFETY: the closure runs between fork and exec, and makes two system calls that are safe there.
        unsafe {
            command.pre_exec(move || {
                if libc::fcntl(end, libc::F_SETFD, 0) != 0 || libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(io::Error::last_os_error());
                }
                Ok(())
            });
        }
    }

    pub fn as_raw_fd(&self) -> RawFd {
        self.ours.as_raw_fd()
    }

    /// Asks the running cell to stop.
    pub fn interrupt(&self) -> io::Result<()> {
        // SAFETY: the pointer and the length describe a constant.
        let sent =
            unsafe { libc::send(self.as_raw_fd(), INTERRUPT.as_ptr().cast(), INTERRUPT.len(), libc::MSG_DONTWAIT) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Takes back the interrupts that no cell looked at. The library only peeks, so they wait until this is called.
    pub fn forget_interrupts(&self) {
        let mut byte = [0_u8; 1];
        // SAFETY: the pointer and the length describe `byte`; the call does not wait.
        while unsafe { libc::recv(self.childs.as_raw_fd(), byte.as_mut_ptr().cast(), byte.len(), libc::MSG_DONTWAIT) }
            > 0
        {}
    }

    /// The next packet that is there already.
    pub fn receive(&self) -> Option<Packet> {
        let mut bytes = vec![0_u8; LARGEST_PACKET];
        let mut space = [0_u64; 16];
        let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        // SAFETY: all zeros is a valid msghdr.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = space.as_mut_ptr().cast();
        header.msg_controllen = size_of::<[u64; 16]>() as _;
        // SAFETY: the header points at buffers of the lengths that it names, which live through the call.
        let length =
            unsafe { libc::recvmsg(self.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC) };
        if length <= 0 {
            return None;
        }
        bytes.truncate(length as usize);
        // SAFETY: the kernel has filled the header; the descriptors in it are new and ours.
        let mut ends = unsafe { descriptors(&header) }.into_iter();
        match bytes.as_slice() {
            [BEGUN, library @ ..] => return Some(Packet::Begun(OsStr::from_bytes(library).into())),
            SEEN => return Some(Packet::Seen),
            READS => return Some(Packet::Reads),
            [HELLO, ..] => {}
            _ => return Some(Packet::Bytes(bytes)),
        }
        let pid = bytes.get(1..5).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        match (pid, ends.next(), ends.next(), ends.next(), ends.next(), ends.next()) {
            (Some(pid), Some(out), Some(err), Some(alive), Some(control), Some(input)) => {
                Some(Packet::Hello(Streams { pid, out, err, alive, control, input }))
            }
            _ => Some(Packet::Bytes(bytes)),
        }
    }
}

/// The child's side of `Packet::Hello`: standard output, standard error, the sign of life, the real output, and the input.
pub fn send_ends(socket: RawFd, pid: u32, ends: [RawFd; ENDS]) -> io::Result<()> {
    let mut hello = [HELLO, 0, 0, 0, 0];
    hello[1..].copy_from_slice(&pid.to_le_bytes());
    let mut space = [0_u64; 16];
    let mut part = libc::iovec { iov_base: hello.as_mut_ptr().cast(), iov_len: hello.len() };
    let size = (ENDS * size_of::<RawFd>()) as u32;
    // SAFETY: all zeros is a valid msghdr; the space is aligned for a cmsghdr and large enough for the descriptors.
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = space.as_mut_ptr().cast();
        header.msg_controllen = libc::CMSG_SPACE(size) as _;
        let control = libc::CMSG_FIRSTHDR(&raw const header);
        (*control).cmsg_level = libc::SOL_SOCKET;
        (*control).cmsg_type = libc::SCM_RIGHTS;
        (*control).cmsg_len = libc::CMSG_LEN(size) as _;
        std::ptr::copy_nonoverlapping(ends.as_ptr(), libc::CMSG_DATA(control).cast::<RawFd>(), ENDS);
        if libc::sendmsg(socket, &raw const header, 0) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// # Safety
/// `header` must come from a successful `recvmsg`, and its descriptors must not have been taken before.
unsafe fn descriptors(header: &libc::msghdr) -> Vec<OwnedFd> {
    let mut found = Vec::new();
    // SAFETY: the caller's promise; the lengths that the system wrote bound every read.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while !control.is_null() {
            if (*control).cmsg_level == libc::SOL_SOCKET && (*control).cmsg_type == libc::SCM_RIGHTS {
                let bytes = (*control).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let data = libc::CMSG_DATA(control).cast::<RawFd>();
                for index in 0..bytes / size_of::<RawFd>() {
                    found.push(OwnedFd::from_raw_fd(data.add(index).read_unaligned()));
                }
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    found
}

/// The child's side of `Packet::Begun`.
pub fn send_begun(socket: RawFd, library: &[u8]) {
    send(socket, &[&[BEGUN], library].concat());
}

/// The child's side of `Packet::Reads`.
pub fn send_reads(socket: RawFd) {
    send(socket, READS);
}

fn send(socket: RawFd, packet: &[u8]) {
    // SAFETY: the pointer and the length describe `packet`. If the kernel is gone, so is this process, soon.
    unsafe { libc::send(socket, packet.as_ptr().cast(), packet.len(), libc::MSG_NOSIGNAL) };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn a_process_hands_over_its_streams() {
        let link = Link::new().unwrap();
        let (mut read, write) = io::pipe().unwrap();
        let ends = [write.as_raw_fd(); ENDS];
        send_ends(link.childs.as_raw_fd(), 7, ends).unwrap();
        drop(write);
        let Some(Packet::Hello(streams)) = link.receive() else { panic!("no hello") };
        assert_eq!(streams.pid, 7);
        std::fs::File::from(streams.control).write_all(b"line").unwrap();
        drop((streams.out, streams.err, streams.alive, streams.input));
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "line");
        assert!(link.receive().is_none());
    }

    #[test]
    fn a_run_names_its_library() {
        let link = Link::new().unwrap();
        send_begun(link.childs.as_raw_fd(), b"/a/libcode_7.so");
        let Some(Packet::Begun(library)) = link.receive() else { panic!("no begin") };
        assert_eq!(library, PathBuf::from("/a/libcode_7.so"));
    }

    #[test]
    fn leftover_interrupts_are_forgotten() {
        let link = Link::new().unwrap();
        link.interrupt().unwrap();
        link.interrupt().unwrap();
        link.forget_interrupts();
        let mut byte = [0_u8];
        // SAFETY: the pointer and the length describe `byte`; the call does not wait.
        let peeked = unsafe {
            let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
            libc::recv(link.childs.as_raw_fd(), byte.as_mut_ptr().cast(), 1, flags)
        };
        assert_eq!(peeked, -1);
    }
}
