//! A whole device on `pushgate-core`: it pushes over HTTP, listens on the device link, and reads batches as they come.
//!
//! It is one loop, without threads, work in interrupts or an allocator. It does what it is told over a console, where it
//! tells what happens: `tests/firmware/README.md` shows what, and `host/tests/firmware.rs` drives it and looks at both
//! ends.
//!
//! - [`push`]: an outbox whose sends are HTTP requests
//! - [`listen`]: the device link
//! - [`batch`]: a batch of any length, in one event's memory
//! - [`vectors`]: every golden vector, read as on the host ([`reading`])
//! - [`board`]: all that differs from board to board
//! - [`console`], [`stack`]: what this image has to be tested by, and no device needs
#![no_std]
#![no_main]

mod batch;
mod board;
mod console;
mod listen;
mod push;
#[cfg(feature = "vectors")]
mod reading;
mod stack;
#[cfg(feature = "vectors")]
mod vectors;

use pushgate_core::{Outbox, link::LineBuffer};

use board::{Board, Uart};
use console::{Check, Command, Commands, Console, MAX_COMMAND_LEN};
use listen::Listener;
use push::Pusher;

/// Bytes of the longest device token.
const TOKEN_LEN: usize = pushgate_core::lingyang::token::MAX_ENCODED_LEN;

/// Gives the memory of a static away.
macro_rules! give {
    ($Type:ty = $first:expr) => {{
        static mut MEMORY: $Type = $first;
        // SAFETY: nothing else names it, and `run`, where this stands, is called once.
        #[expect(unsafe_code, reason = "the compiler does not know that `run` is called once")]
        unsafe {
            &mut *(&raw mut MEMORY)
        }
    }};
}

/// What the board starts: once, and for good.
fn run() -> ! {
    stack::paint();
    let Board { link, http, console: uart } = board::start();
    let mut firmware = Firmware {
        console: Console::new(uart),
        pusher: Pusher::new(http, give!(push::Memory = Outbox::new())),
        listener: Listener::new(link, give!(listen::Memory = listen::Memory::new())),
        uart,
        #[cfg(feature = "vectors")]
        room: give!([u8; reading::ROOM] = [0; reading::ROOM]),
        event: give!([u8; batch::EVENT_LEN] = [0; batch::EVENT_LEN]),
    };
    let mut commands = Commands::new(uart, give!(LineBuffer<MAX_COMMAND_LEN> = LineBuffer::new()));
    firmware.serve(&mut commands, give!([u8; TOKEN_LEN] = [0; TOKEN_LEN]));
    board::exit(firmware.end())
}

/// The parts of the device.
struct Firmware {
    console: Console,
    pusher: Pusher,
    listener: Listener,
    uart: Uart,
    #[cfg(feature = "vectors")]
    room: &'static mut [u8; reading::ROOM],
    event: &'static mut [u8; batch::EVENT_LEN],
}

impl Firmware {
    /// Does what there is to do, until it is told to end.
    fn serve(&mut self, commands: &mut Commands, token: &'static mut [u8; TOKEN_LEN]) {
        self.console.event("ready");
        // Empty until it is told, and then the same for good.
        let mut unused = Some(token);
        let mut token = "";
        loop {
            let Self { console, pusher, listener, .. } = self;
            listener.turn(console);
            pusher.turn(console, &mut |console| listener.turn(console));
            match commands.next() {
                None => board::sleep(),
                Some(Command::Token(text)) => {
                    token = unused.take().and_then(|memory| keep(text, memory)).unwrap_or(token);
                    pusher.renew(token);
                }
                Some(Command::Listen) => listener.listen(token),
                Some(Command::Exit) if pusher.is_idle() => return,
                Some(command) => self.obey(command),
            }
        }
    }

    fn obey(&mut self, command: Command<'_>) {
        match command {
            #[cfg(feature = "vectors")]
            Command::Vectors => vectors::run(self.room, &mut self.console),
            Command::Push { to, text, ends } => match self.pusher.push(to, text, ends) {
                Ok(ticket) => drop(self.console.event("pushed").number("push", ticket.number())),
                Err(error) => {
                    self.console.event("not-pushed").says("why", &error);
                    self.console.check("a push finds room", Check::Fails);
                }
            },
            Command::Took => self.took(),
            Command::Batch { len, ends } => batch::read(&mut self.uart, len, ends, self.event, &mut self.console),
            _ => self.console.check("a command is one, and comes when it may", Check::Fails),
        }
    }

    /// Tells what the device took since it was last asked.
    fn took(&mut self) {
        let stack = stack::deepest();
        stack::paint();
        self.console.check("the stack keeps off the statics", Check::from(stack.is_some()));
        let line = self.console.event("took").number("stack", stack.unwrap_or_default() as u64);
        drop(line.number("statics", stack::statics() as u64));
    }

    /// Tells with what status the device ends.
    fn end(&mut self) -> i32 {
        let failed = self.console.failed();
        self.console.event("end").number("failed", failed.into());
        i32::from(failed > 0)
    }
}

/// Keeps a text; `None` when there is no room for it.
fn keep<'m>(text: &str, memory: &'m mut [u8]) -> Option<&'m str> {
    let kept = memory.get_mut(..text.len())?;
    // `copy_from_slice` would bring its panic along.
    for (kept, byte) in kept.iter_mut().zip(text.bytes()) {
        *kept = byte;
    }
    str::from_utf8(kept).ok()
}
