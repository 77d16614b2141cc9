-- Whom was talked with. A plain peer has no key, and is told by its address.
CREATE TABLE peers (
    id INTEGER PRIMARY KEY,
    key BLOB UNIQUE,
    address TEXT
);
CREATE UNIQUE INDEX peers_without_key ON peers (address) WHERE key IS NULL;

-- Times are in milliseconds since 1970.
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY,
    peer INTEGER NOT NULL REFERENCES peers,
    name TEXT NOT NULL,
    session BLOB,
    -- The program that keeps it: live.rs.
    writer TEXT NOT NULL,
    began INTEGER NOT NULL,
    ended INTEGER,
    -- The last of the own messages that the peer has taken, as far as is known.
    delivered INTEGER NOT NULL DEFAULT 0,
    -- The first of the own messages that surely did not go out.
    unsent INTEGER
);
CREATE INDEX conversations_of_peer ON conversations (peer);
CREATE INDEX conversations_with_name ON conversations (name COLLATE NOCASE);
CREATE INDEX conversations_not_ended ON conversations (writer) WHERE ended IS NULL;

-- Ids rise as messages are kept. The body of a text is TEXT, any other a BLOB, and that of a gap,
-- which stands for messages that could not be kept, their number.
CREATE TABLE messages (
    -- Never that of one that was deleted: applications remember ids.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations,
    peer INTEGER NOT NULL REFERENCES peers,
    -- 0: received, 1: sent; 2: a gap, which has no number.
    direction INTEGER NOT NULL,
    number INTEGER,
    -- By the sender's clock.
    sent INTEGER NOT NULL,
    -- By the own clock: when it was sent, or came.
    at INTEGER NOT NULL,
    -- The latest of these times so far. It never falls as ids rise, so that a time is found among the
    -- ids without an index.
    latest INTEGER NOT NULL,
    -- 1 where nobody is to be asked any more what becomes of it.
    settled INTEGER,
    -- The program that sends it again: live.rs.
    claimed TEXT,
    body NOT NULL
);
CREATE UNIQUE INDEX messages_numbered ON messages (conversation, direction, number);
CREATE INDEX messages_with_peer ON messages (peer);
-- Those that were kept behind later ones: by another program, or because a clock was set back.
CREATE INDEX messages_late ON messages (at) WHERE at < latest;

CREATE INDEX messages_claimed ON messages (claimed) WHERE claimed IS NOT NULL;

-- The words of texts, as words.rs writes them; it holds no copy of the texts. Beginnings
-- of up to three letters are indexed, too: they stand before too many words to read them all.
CREATE VIRTUAL TABLE words USING fts5(
    body,
    content = '',
    contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'",
    prefix = '1 2 3'
);
-- Words are gathered in up to 16 MiB of memory, and parts of the index are merged when there are sixteen:
-- by default both happen so often that a burst takes a third longer.
INSERT INTO words (words, rank) VALUES ('hashsize', 16777216);
INSERT INTO words (words, rank) VALUES ('automerge', 16);
-- Deleting a hundred thousand would else take fourteen seconds instead of one.
INSERT INTO words (words, rank) VALUES ('deletemerge', 0);

CREATE TRIGGER messages_deleted AFTER DELETE ON messages WHEN typeof(old.body) = 'text' BEGIN
    DELETE FROM words WHERE rowid = old.id;
END;

-- When the peer was known to have taken all of the own messages up to one.
CREATE TABLE receipts (
    conversation INTEGER NOT NULL REFERENCES conversations,
    up_to INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (conversation, up_to)
) WITHOUT ROWID;
