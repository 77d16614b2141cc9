//! The text being typed, its cursor, and the entries typed before. Pure: no screen, no keyboard.

use std::mem;

use unicode_segmentation::UnicodeSegmentation;

/// One entry being typed. The cursor stands between two grapheme clusters, and moves and deletes
/// by whole clusters: what is seen as one character is one.
#[derive(Default)]
pub(super) struct Editor {
    text: String,
    /// Where the next character goes, in bytes.
    cursor: usize,
    history: Vec<String>,
    /// The entry of the history that is shown; its length: none, but what is being typed.
    shown: usize,
    /// What was being typed when the history was entered.
    draft: String,
}

impl Editor {
    /// With the entries of the sessions before.
    pub(super) fn new(history: Vec<String>) -> Self {
        Self {
            shown: history.len(),
            history,
            ..Self::default()
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    pub(super) fn insert(&mut self, typed: &str) {
        self.text.insert_str(self.cursor, typed);
        self.cursor += typed.len();
        // A mark or a joiner may have grown into the cluster behind it.
        while !self.stands_between_clusters() {
            self.cursor += self.text[self.cursor..]
                .chars()
                .next()
                .map_or(1, char::len_utf8);
        }
    }

    /// Inserts a block as it is, whatever its line ends were.
    pub(super) fn paste(&mut self, block: &str) {
        self.insert(&block.replace("\r\n", "\n").replace('\r', "\n"));
    }

    /// Takes the entry out. One line end at its end is dropped: whoever pastes a whole line means
    /// the line.
    pub(super) fn take(&mut self) -> String {
        let mut entry = mem::take(&mut self.text);
        if entry.ends_with('\n') {
            entry.pop();
        }
        self.clear();
        entry
    }

    /// Keeps an entry in the history.
    pub(super) fn remember(&mut self, entry: String) {
        let typing = self.shown == self.history.len();
        if !entry.is_empty() && self.history.last() != Some(&entry) {
            self.history.push(entry);
        }
        if self.history.len() > HISTORY_ENTRIES {
            self.history.remove(0);
        }
        if typing {
            self.shown = self.history.len();
        }
    }

    /// Puts what completes the entry in its place, if its end is being typed.
    pub(super) fn complete(&mut self, complete: impl Fn(&str) -> Option<String>) {
        if self.cursor == self.text.len()
            && let Some(whole) = complete(&self.text)
        {
            self.show(whole);
        }
    }

    pub(super) fn clear(&mut self) {
        self.show(String::new());
        self.shown = self.history.len();
    }

    pub(super) fn left(&mut self) {
        self.cursor = self.cluster_before();
    }

    pub(super) fn right(&mut self) {
        self.cursor = self.cluster_after();
    }

    pub(super) fn home(&mut self) {
        self.cursor = self.line_start();
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.line_end();
    }

    pub(super) fn word_left(&mut self) {
        self.cursor = self.word_before(is_word);
    }

    pub(super) fn word_right(&mut self) {
        self.cursor = self.word_after();
    }

    pub(super) fn backspace(&mut self) {
        self.delete_back_to(self.cluster_before());
    }

    pub(super) fn delete(&mut self) {
        self.text.drain(self.cursor..self.cluster_after());
    }

    pub(super) fn delete_to_line_start(&mut self) {
        self.delete_back_to(self.line_start());
    }

    pub(super) fn delete_to_line_end(&mut self) {
        self.text.drain(self.cursor..self.line_end());
    }

    /// Deletes back to a space, as a shell does: an address or a path is one word.
    pub(super) fn delete_word(&mut self) {
        self.delete_back_to(self.word_before(|cluster| !cluster.trim().is_empty()));
    }

    /// To the line above; from the first to the older entry.
    pub(super) fn up(&mut self) {
        match self.line_start() {
            0 => self.older(),
            start => self.go_to_line(start - 1),
        }
    }

    /// To the line below; from the last to the newer entry.
    pub(super) fn down(&mut self) {
        match self.line_end() {
            end if end == self.text.len() => self.newer(),
            end => self.go_to_line(end + 1),
        }
    }

    /// To the line that `place` is in, as many clusters into it as now, or to its end.
    fn go_to_line(&mut self, place: usize) {
        let before = &self.text[self.line_start()..self.cursor];
        let clusters = before.graphemes(true).count();
        self.cursor = place;
        self.cursor = self.line_start();
        let line = &self.text[self.cursor..self.line_end()];
        self.cursor += line
            .graphemes(true)
            .take(clusters)
            .map(str::len)
            .sum::<usize>();
    }

    pub(super) fn older(&mut self) {
        if self.shown == 0 {
            return;
        }
        if self.shown == self.history.len() {
            self.draft = mem::take(&mut self.text);
        }
        self.shown -= 1;
        self.show(self.history[self.shown].clone());
    }

    pub(super) fn newer(&mut self) {
        if self.shown == self.history.len() {
            return;
        }
        self.shown += 1;
        let entry = match self.history.get(self.shown) {
            Some(entry) => entry.clone(),
            None => mem::take(&mut self.draft),
        };
        self.show(entry);
    }

    fn show(&mut self, entry: String) {
        self.cursor = entry.len();
        self.text = entry;
    }

    fn delete_back_to(&mut self, start: usize) {
        self.text.drain(start..self.cursor);
        self.cursor = start;
    }

    fn stands_between_clusters(&self) -> bool {
        let before = self.cluster_before();
        let cluster = self.text[before..].graphemes(true).next();
        self.cursor == 0 || cluster.is_none_or(|cluster| before + cluster.len() <= self.cursor)
    }

    fn cluster_before(&self) -> usize {
        let last = self.text[..self.cursor].grapheme_indices(true).next_back();
        last.map_or(0, |(start, _)| start)
    }

    fn cluster_after(&self) -> usize {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor + next.map_or(0, str::len)
    }

    fn line_start(&self) -> usize {
        self.text[..self.cursor]
            .rfind('\n')
            .map_or(0, |newline| newline + 1)
    }

    fn line_end(&self) -> usize {
        let newline = self.text[self.cursor..].find('\n');
        newline.map_or(self.text.len(), |newline| self.cursor + newline)
    }

    fn word_before(&self, is_word: fn(&str) -> bool) -> usize {
        let clusters = self.text[..self.cursor].grapheme_indices(true).rev();
        let start = clusters
            .skip_while(|(_, cluster)| !is_word(cluster))
            .take_while(|(_, cluster)| is_word(cluster))
            .last();
        start.map_or(0, |(start, _)| start)
    }

    fn word_after(&self) -> usize {
        let clusters = self.text[self.cursor..].grapheme_indices(true);
        let end = clusters
            .skip_while(|(_, cluster)| !is_word(cluster))
            .find(|(_, cluster)| !is_word(cluster));
        end.map_or(self.text.len(), |(end, _)| self.cursor + end)
    }
}

fn is_word(cluster: &str) -> bool {
    cluster.starts_with(char::is_alphanumeric)
}

/// More than anyone walks back with the up key.
const HISTORY_ENTRIES: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    /// An editor with the cursor where `|` stands.
    fn editor(text: &str) -> Editor {
        let (before, after) = text.split_once('|').unwrap();
        let mut editor = Editor::default();
        editor.insert(&format!("{before}{after}"));
        editor.cursor = before.len();
        editor
    }

    fn after(text: &str, edit: fn(&mut Editor)) -> String {
        let mut editor = editor(text);
        edit(&mut editor);
        format!(
            "{}|{}",
            &editor.text[..editor.cursor],
            &editor.text[editor.cursor..]
        )
    }

    #[test]
    fn what_is_seen_as_one_character_is_crossed_and_deleted_as_one() {
        for cluster in ["é", "e\u{301}", "漢", "👩‍👩‍👧‍👦", "🇩🇪", "❤️", "நி"]
        {
            let whole = format!("a{cluster}|b");
            let start = format!("a|{cluster}b");
            assert_eq!(after(&whole, Editor::left), start);
            assert_eq!(after(&start, Editor::right), whole);
            assert_eq!(after(&whole, Editor::backspace), "a|b");
            assert_eq!(after(&start, Editor::delete), "a|b");
        }
    }

    #[test]
    fn nothing_happens_at_the_edges() {
        for edit in [
            Editor::left,
            Editor::backspace,
            Editor::home,
            Editor::word_left,
            Editor::delete_word,
        ] {
            assert_eq!(after("|ab", edit), "|ab");
        }
        for edit in [
            Editor::right,
            Editor::delete,
            Editor::end,
            Editor::word_right,
            Editor::delete_to_line_end,
        ] {
            assert_eq!(after("ab|", edit), "ab|");
        }
        for edit in [Editor::older, Editor::newer] {
            assert_eq!(after("ab|", edit), "ab|");
        }
    }

    #[test]
    fn words_are_crossed_from_either_side() {
        assert_eq!(after("one, two|", Editor::word_left), "one, |two");
        assert_eq!(after("one, |two", Editor::word_left), "|one, two");
        assert_eq!(after("|one, two", Editor::word_right), "one|, two");
        assert_eq!(after("one|, two", Editor::word_right), "one, two|");
        assert_eq!(after("a http://b/c |d", Editor::delete_word), "a |d");
    }

    #[test]
    fn home_end_and_the_deletions_keep_to_the_line_of_the_cursor() {
        assert_eq!(after("one\ntw|o\nthree", Editor::home), "one\n|two\nthree");
        assert_eq!(after("one\ntw|o\nthree", Editor::end), "one\ntwo|\nthree");
        assert_eq!(
            after("one\ntw|o\nthree", Editor::delete_to_line_start),
            "one\n|o\nthree"
        );
        assert_eq!(
            after("one\ntw|o\nthree", Editor::delete_to_line_end),
            "one\ntw|\nthree"
        );
        assert_eq!(after("one\n|two", Editor::backspace), "one|two");
    }

    #[test]
    fn the_cursor_never_stops_inside_a_cluster() {
        let mut editor = editor("👩|👧");
        editor.insert("\u{200D}");
        assert_eq!(editor.cursor, editor.text.len());
        editor.backspace();
        assert_eq!(editor.text, "");
    }

    #[test]
    fn the_history_gives_back_what_was_being_typed() {
        let mut editor = Editor::default();
        for entry in ["one", "two", "two", ""] {
            editor.insert(entry);
            assert_eq!(editor.take(), entry);
            editor.remember(entry.to_owned());
        }
        editor.insert("dra");
        let mut seen = Vec::new();
        for step in [
            Editor::older,
            Editor::older,
            Editor::older,
            Editor::newer,
            Editor::newer,
            Editor::newer,
        ] {
            step(&mut editor);
            seen.push(editor.text().to_owned());
        }
        assert_eq!(seen, ["two", "one", "one", "two", "dra", "dra"]);
        editor.insert("ft");
        assert_eq!(editor.take(), "draft");
    }

    #[test]
    fn up_and_down_cross_the_lines_of_an_entry_before_they_leave_it() {
        assert_eq!(after("one\ntw|o", Editor::up), "on|e\ntwo");
        assert_eq!(after("a\nlonge|r", Editor::up), "a|\nlonger");
        assert_eq!(after("o漢|e\n字漢two", Editor::down), "o漢e\n字漢|two");
        assert_eq!(after("longe|r\na\n", Editor::down), "longer\na|\n");
        assert_eq!(after("a\n|", Editor::up), "|a\n");
        let mut editor = Editor::new(vec!["old".to_owned()]);
        editor.insert("one\ntwo");
        editor.up();
        assert_eq!(editor.text(), "one\ntwo");
        editor.up();
        assert_eq!(editor.text(), "old");
        editor.down();
        assert_eq!(editor.text(), "one\ntwo");
    }

    #[test]
    fn the_history_is_bounded() {
        let mut editor = Editor::default();
        for number in 0..HISTORY_ENTRIES + 10 {
            editor.remember(number.to_string());
        }
        assert_eq!(editor.history.len(), HISTORY_ENTRIES);
        editor.older();
        assert_eq!(editor.text(), (HISTORY_ENTRIES + 9).to_string());
    }

    #[test]
    fn a_pasted_block_has_newlines_and_loses_the_last_when_it_is_entered() {
        let mut editor = Editor::default();
        editor.paste("one\r\ntwo\rthree\n");
        assert_eq!(editor.text(), "one\ntwo\nthree\n");
        assert_eq!(editor.take(), "one\ntwo\nthree");
    }
}
