//! What a key does to the entry being typed: the keys of a shell.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::editor::Editor;

/// What is left to do after a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing but to show the entry.
    Edited,
    /// The entry is complete.
    Entered,
    /// Ctrl-C or Ctrl-D, and nothing was typed.
    Left,
    /// Ctrl-Z.
    Suspended,
    /// Ctrl-R.
    Revealed,
}

pub(super) fn press(editor: &mut Editor, event: &Event) -> Outcome {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => press_key(editor, *key),
        Event::Paste(block) => {
            editor.paste(block);
            Outcome::Edited
        }
        _ => Outcome::Edited,
    }
}

/// Whether a key was pressed, rather than released, or something else happened.
pub(super) fn is_press(event: &Event) -> bool {
    event.as_key_press_event().is_some()
}

/// Whether Esc was pressed.
pub(super) fn is_escape(event: &Event) -> bool {
    event
        .as_key_press_event()
        .is_some_and(|key| key.code == KeyCode::Esc)
}

/// Whether Tab was pressed.
pub(super) fn is_tab(event: &Event) -> bool {
    event
        .as_key_press_event()
        .is_some_and(|key| key.code == KeyCode::Tab)
}

fn press_key(editor: &mut Editor, key: KeyEvent) -> Outcome {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    match key.code {
        KeyCode::Enter if alt || key.modifiers.contains(KeyModifiers::SHIFT) => editor.insert("\n"),
        KeyCode::Enter => return Outcome::Entered,
        KeyCode::Backspace if alt || control => editor.delete_word(),
        KeyCode::Backspace => editor.backspace(),
        KeyCode::Delete => editor.delete(),
        KeyCode::Left if control || alt => editor.word_left(),
        KeyCode::Left => editor.left(),
        KeyCode::Right if control || alt => editor.word_right(),
        KeyCode::Right => editor.right(),
        KeyCode::Home => editor.home(),
        KeyCode::End => editor.end(),
        KeyCode::Up => editor.up(),
        KeyCode::Down => editor.down(),
        KeyCode::Tab => editor.insert("\t"),
        // AltGr, which Windows reports as Ctrl and Alt, types characters.
        KeyCode::Char(character) if control == alt => {
            editor.insert(character.encode_utf8(&mut [0; 4]));
        }
        KeyCode::Char(character) if control => return press_control(editor, character),
        KeyCode::Char('b') => editor.word_left(),
        KeyCode::Char('f') => editor.word_right(),
        _ => {}
    }
    Outcome::Edited
}

fn press_control(editor: &mut Editor, character: char) -> Outcome {
    match character {
        'c' | 'd' if editor.text().is_empty() => return Outcome::Left,
        'c' => editor.clear(),
        'd' => editor.delete(),
        // Enter, as it arrives if it was typed before the terminal was in raw mode.
        'j' => return Outcome::Entered,
        'r' => return Outcome::Revealed,
        'z' => return Outcome::Suspended,
        'a' => editor.home(),
        'e' => editor.end(),
        'b' => editor.left(),
        'f' => editor.right(),
        'h' => editor.backspace(),
        'k' => editor.delete_to_line_end(),
        'u' => editor.delete_to_line_start(),
        'w' => editor.delete_word(),
        'p' => editor.older(),
        'n' => editor.newer(),
        _ => {}
    }
    Outcome::Edited
}
