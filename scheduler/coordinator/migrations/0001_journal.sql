-- Both databases read this. BIGINT, TEXT and DOUBLE PRECISION are the types that both have; CLUSTERED
-- stands for what keeps a table in the order of its key.
CREATE TABLE facts (
  seq BIGINT PRIMARY KEY NOT NULL,
  at_ms BIGINT NOT NULL,
  job BIGINT,
  kind TEXT NOT NULL,
  version BIGINT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX facts_of_job ON facts (job, seq);

CREATE TABLE snapshots (
  seq BIGINT PRIMARY KEY NOT NULL,
  version BIGINT NOT NULL,
  parts BIGINT NOT NULL
);
CREATE TABLE snapshot_parts (
  seq BIGINT NOT NULL,
  part BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (seq, part)
);

CREATE TABLE lease (
  id BIGINT PRIMARY KEY NOT NULL,
  holder TEXT NOT NULL,
  url TEXT NOT NULL,
  pid BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL
);
INSERT INTO lease (id, holder, url, pid, epoch, expires_ms) VALUES (1, '', '', 0, 0, 0);

-- What agents told and the brain does not need. Absent numbers of points are kept as NaN.
CREATE TABLE points (
  job BIGINT NOT NULL,
  step BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  steps BIGINT NOT NULL,
  loss DOUBLE PRECISION,
  lr DOUBLE PRECISION,
  tokens_per_s DOUBLE PRECISION,
  grad_norm DOUBLE PRECISION,
  PRIMARY KEY (job, step)
) CLUSTERED;
CREATE TABLE evals (
  job BIGINT NOT NULL,
  step BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  loss DOUBLE PRECISION,
  exact_match DOUBLE PRECISION,
  PRIMARY KEY (job, step)
) CLUSTERED;
CREATE TABLE checkpoints (
  job BIGINT NOT NULL,
  step BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  PRIMARY KEY (job, step)
) CLUSTERED;
CREATE TABLE lines (
  job BIGINT NOT NULL,
  position BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  rank BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (job, position)
) CLUSTERED;
-- Of each job's log: the newest position, and up to which position it was dropped.
CREATE TABLE logs (
  job BIGINT PRIMARY KEY NOT NULL,
  newest BIGINT NOT NULL,
  dropped BIGINT NOT NULL
);
CREATE TABLE reports (
  job BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  node BIGINT NOT NULL,
  taken BIGINT NOT NULL,
  PRIMARY KEY (job, generation, node)
) CLUSTERED;
