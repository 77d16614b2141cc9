//! Messages as people write them, always the same: words by Zipf's law, and scripts without spaces.

use std::collections::HashSet;

const ENGLISH: &str = "the you i to a and it of that in is me what this for my on your we have do no \
    are be not know can with but all so just there here they like get he was if go out up about right \
    one want now think see time good how come well got yeah will okay say look she who why because when \
    did let take need tell could would them him her then make way back something from at or as an \
    really been too little had our never us where were going has man only thing some sure thank very \
    over much people am work day off down should more thanks call again still please great other than \
    maybe night first mean home even any give wait love find before last after into better new help \
    long always test server build broken fix merge branch review today tomorrow meeting lunch coffee \
    weekend friend happy sorry late soon done";
const THAI: &str = "ผม คุณ เรา ไป มา กิน ข้าว น้ำ บ้าน รถ วัน นี้ พรุ่งนี้ เมื่อวาน ทำงาน โรงเรียน ดี มาก ไม่ ใช่ ครับ ค่ะ \
    ขอบคุณ ที่ และ หรือ แต่ จะ ได้ ให้ กับ ของ เป็น อยู่ คือ มี เพื่อน แม่ พ่อ ลูก รัก ชอบ เห็น รู้ คิด พูด";
const KOREAN: &str = "나는 너는 우리는 오늘 내일 어제 학교에서 회사에 집에 밥을 물을 먹었어요 갔어요 왔어요 좋아요 싫어요 \
    정말 아주 너무 조금 많이 친구가 엄마가 아빠가 사람이 시간이 날씨가 일이 생각해요 알아요 몰라요 그래서 그런데";
const HAN: &str = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里";

/// Different words, and different Chinese characters.
const WORDS: usize = 30_000;
const CHARACTERS: usize = 3_000;

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, things: &[&'a T]) -> &'a T {
        things[self.below(things.len())]
    }
}

/// Things of which the nth comes an nth as often as the first.
struct Zipf<T> {
    things: Vec<T>,
    sums: Vec<f64>,
}

impl<T> Zipf<T> {
    fn of(things: Vec<T>) -> Self {
        let mut sum = 0.0;
        let sums = (1..=things.len()).map(|place| {
            sum += 1.0 / place as f64;
            sum
        });
        Self {
            sums: sums.collect(),
            things,
        }
    }

    fn draw(&self, dice: &mut Dice) -> &T {
        let all = self.sums[self.sums.len() - 1];
        let point = (dice.next() >> 11) as f64 / (1_u64 << 53) as f64 * all;
        let place = self.sums.partition_point(|sum| *sum < point);
        &self.things[place.min(self.things.len() - 1)]
    }
}

/// So many messages. Some words and phrases stand in them only as often as the searches say.
pub(super) fn texts(count: u64) -> Vec<String> {
    let mut dice = Dice(42);
    let words = Zipf::of(words(&mut dice));
    let han = Zipf::of(characters(&mut dice));
    let [thai, korean] = [THAI, KOREAN].map(|words| Zipf::of(words.split_whitespace().collect()));
    let mut texts: Vec<_> = (0..count)
        .map(|_| match dice.below(100) {
            0..15 => chinese(&mut dice, &han),
            15..20 => japanese(&mut dice, &han),
            20..23 => run(&mut dice, &thai, "", "สวัสดี", "ประชาธิปไตย"),
            23..26 => run(&mut dice, &korean, " ", "안녕하세요", "고양이를"),
            26..29 => format!(
                "https://{}.example.com/{}?id={}",
                words.draw(&mut dice),
                words.draw(&mut dice),
                dice.below(1_000_000)
            ),
            _ => english(&mut dice, &words),
        })
        .collect();
    let third = texts.len() / 3;
    texts[third].push_str(" zanzibarite violet submarine");
    texts[2 * third].push_str("量子纠缠");
    texts
}

fn words(dice: &mut Dice) -> Vec<String> {
    const BEGIN: &[&str] = &[
        "b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pl",
    ];
    const MIDDLE: &[&str] = &["a", "e", "i", "o", "u", "ea", "ou", "ai"];
    const END: &[&str] = &["", "n", "r", "s", "t", "l", "m", "ng", "ck", "st"];
    let mut words: Vec<String> = ENGLISH.split_whitespace().map(str::to_owned).collect();
    let mut known: HashSet<String> = words.iter().cloned().collect();
    while words.len() < WORDS {
        let syllables = 1 + dice.below(3);
        let syllable = |_| [dice.of(BEGIN), dice.of(MIDDLE), dice.of(END)].concat();
        let word: String = (0..syllables).map(syllable).collect();
        if !word.starts_with("depl") && known.insert(word.clone()) {
            words.push(word);
        }
    }
    words
}

fn characters(dice: &mut Dice) -> Vec<char> {
    let mut characters: Vec<char> = HAN.chars().collect();
    let mut known: HashSet<char> = characters.iter().copied().collect();
    while characters.len() < CHARACTERS {
        let drawn = char::from_u32(0x4e00 + dice.below(0x5000) as u32);
        let drawn = drawn.filter(|drawn| !"麒麟纠缠".contains(*drawn));
        characters.extend(drawn.filter(|drawn| known.insert(*drawn)));
    }
    characters
}

fn english(dice: &mut Dice, words: &Zipf<String>) -> String {
    let length = 2 + dice.below(8) + dice.below(8);
    let mut text = String::new();
    for _ in 0..length {
        // No two of these: what is searched for and never found.
        let mut word = words.draw(dice).as_str();
        while text.trim_end_matches([',', ' ']).ends_with("you") && word == "the" {
            word = words.draw(dice);
        }
        text.push_str(word);
        text.push_str(if dice.one_in(12) { ", " } else { " " });
    }
    for (one_in, phrase) in [
        (68, "good morning"),
        (68, dice.of(&["deploy", "deployed", "deployment"])),
        (6_800, "quetzalcode"),
        (6_800, "purple elephant"),
        (68, "😀"),
    ] {
        if dice.one_in(one_in) {
            text.push_str(phrase);
            text.push(' ');
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn chinese(dice: &mut Dice, han: &Zipf<char>) -> String {
    let length = 5 + dice.below(21);
    let mut text = String::new();
    for place in 0..length {
        text.push(behind(&text, dice, han));
        if length > 12 && place == length / 2 {
            text.push('，');
        }
    }
    for (one_in, phrase) in [
        (15, "你好世界"),
        (15, "中文"),
        (1_500, "人工智能"),
        (1_500, "麒麟"),
    ] {
        if dice.one_in(one_in) {
            text.push_str(phrase);
        }
    }
    text
}

/// A character that may stand behind the text: two do not follow each other anywhere.
fn behind(text: &str, dice: &mut Dice, han: &Zipf<char>) -> char {
    loop {
        let drawn = *han.draw(dice);
        if drawn != '的' || !text.trim_end_matches('，').ends_with('我') {
            return drawn;
        }
    }
}

fn japanese(dice: &mut Dice, han: &Zipf<char>) -> String {
    let length = 6 + dice.below(18);
    let mut text = String::new();
    for _ in 0..length {
        match dice.below(3) {
            0 => text.push(behind(&text, dice, han)),
            _ => text.extend(char::from_u32(0x3042 + dice.below(80) as u32)),
        }
    }
    if dice.one_in(50) {
        text.push_str("ありがとう");
    }
    text
}

/// Words of a language, with one that is often there and one that is seldom.
fn run(dice: &mut Dice, words: &Zipf<&str>, between: &str, often: &str, seldom: &str) -> String {
    let length = 3 + dice.below(6);
    let mut said: Vec<&str> = (0..length).map(|_| *words.draw(dice)).collect();
    if dice.one_in(3) {
        said.push(often);
    }
    if dice.one_in(300) {
        said.push(seldom);
    }
    said.join(between)
}
