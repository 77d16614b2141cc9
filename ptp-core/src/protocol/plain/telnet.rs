//! Telnet's commands between the text (RFC 854), which are left out and never answered.

const IAC: u8 = 255;
const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const DONT: u8 = 254;

/// The longest parameters of an option. Who never ends them must not be silent for ever.
const MAX_PARAMETERS: usize = 1024;

/// Where in a command the stream is.
#[derive(Debug, Default)]
pub(super) enum Telnet {
    #[default]
    Text,
    /// Behind an IAC.
    Command,
    /// Behind the verb of an option.
    Option,
    /// In the parameters of an option, after so many bytes.
    Parameters(usize),
    /// Behind an IAC in them.
    ParametersCommand(usize),
}

/// What a byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Text(u8),
    /// Part of a command.
    Command,
    /// Behind a 0xFF that began no command, and so is a byte that no text has.
    Stray(u8),
}

impl Telnet {
    pub(super) fn handle(&mut self, byte: u8) -> Heard {
        let (next, heard) = match (&*self, byte) {
            (Self::Text, IAC) => (Self::Command, Heard::Command),
            (Self::Text, _) => (Self::Text, Heard::Text(byte)),
            (Self::Command, SB) => (Self::Parameters(0), Heard::Command),
            (Self::Command, WILL..=DONT) => (Self::Option, Heard::Command),
            (Self::Command, SE..=IAC) | (Self::Option, _) => (Self::Text, Heard::Command),
            (Self::Command, _) => (Self::Text, Heard::Stray(byte)),
            (Self::Parameters(MAX_PARAMETERS), _) => (Self::Text, Heard::Text(byte)),
            (Self::Parameters(length), IAC) => (Self::ParametersCommand(*length), Heard::Command),
            (Self::Parameters(length), _) => (Self::Parameters(length + 1), Heard::Command),
            (Self::ParametersCommand(_), SE) => (Self::Text, Heard::Command),
            (Self::ParametersCommand(length), _) => {
                let length = MAX_PARAMETERS.min(length + 2);
                (Self::Parameters(length), Heard::Command)
            }
        };
        *self = next;
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Vec<u8> {
        let mut telnet = Telnet::default();
        let mut text = Vec::new();
        for byte in bytes {
            match telnet.handle(*byte) {
                Heard::Text(byte) => text.push(byte),
                Heard::Stray(byte) => text.extend([IAC, byte]),
                Heard::Command => {}
            }
        }
        text
    }

    #[test]
    fn commands_options_and_their_parameters_are_left_out() {
        // WILL NAWS, are-you-there, SB NAWS 80 24 SE, an escaped 0xFF, DO ECHO.
        let stream =
            b"a\xff\xfb\x1fb\xff\xf6c\xff\xfa\x1f\0\x50\0\x18\xff\xf0d\xff\xffe\xff\xfd\x01f";
        assert_eq!(text(stream), b"abcdef");
        assert_eq!(text(b"\xff\xfa\x1f\xff\xff\xff\xf0x"), b"x");
    }

    #[test]
    fn a_byte_that_is_no_command_takes_nothing_with_it() {
        assert_eq!(text(b"\xffA\xff\nB"), b"\xffA\xff\nB");
    }

    #[test]
    fn parameters_without_an_end_end() {
        let mut stream = vec![IAC, SB];
        stream.resize(2 + MAX_PARAMETERS, 7);
        stream.extend(b"heard");
        assert_eq!(text(&stream), b"heard");
        let escaped = [&[IAC, SB][..], &[IAC; 4 * MAX_PARAMETERS], b"heard"].concat();
        assert!(text(&escaped).ends_with(b"heard"));
    }
}
