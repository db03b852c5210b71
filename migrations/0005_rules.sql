-- What the total time of a state's retries counts from, and what an operator's rule said of the end.

ALTER TABLE launches ADD COLUMN
    retrying_since_ms INTEGER NOT NULL DEFAULT 0; -- first failed try of this state that counts; 0: none
ALTER TABLE launches ADD COLUMN
    park_wanted INTEGER NOT NULL DEFAULT 0;       -- a rule says to keep the run aside, not to report it
