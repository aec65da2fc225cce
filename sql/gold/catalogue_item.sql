-- One entry of the catalogue per feed, drafts that nobody supplies yet included, as of the cut-off.
WITH promised AS (
  SELECT
    feed,
    COALESCE(status, 'active') AS status,
    COALESCE(is_required, TRUE) AS is_required,
    COALESCE(status, 'active') <> 'draft' AND COALESCE(update_cycle, '') <> '不更新'
      AS is_update_promised
  FROM ops.feed
),
delivered AS (
  SELECT
    feed,
    MAX(received_at) AS last_update_at
  FROM ops.delivery
  WHERE received_at < :cut_off_at
    AND outcome IN ('merged', 'unchanged')
  GROUP BY feed
),
renewed AS (
  -- When the data were last known to be the newest: they came, or their source had no others.
  SELECT
    delivered.feed,
    COALESCE(
      GREATEST(MAX(runs.finished_at), delivered.last_update_at),
      delivered.last_update_at
    ) AS valid_at
  FROM delivered
  LEFT JOIN ops.feed AS feeds ON feeds.feed = delivered.feed AND feeds.is_asked
  LEFT JOIN ops.task_run AS runs
    ON runs.task = feeds.feed
    AND runs.kind = 'feed'
    AND runs.status = 'skipped'
    AND runs.reason IS NULL
    AND runs.finished_at < :cut_off_at
  GROUP BY
    delivered.feed,
    delivered.last_update_at
),
judged AS (
  -- The newest period that was served, or whose deadline is past.
  SELECT
    feed,
    state,
    ROW_NUMBER() OVER (PARTITION BY feed ORDER BY due_at DESC) AS recency
  FROM gold.feed_period
  WHERE state <> 'open'
),
kept AS (
  SELECT
    feed,
    MAX(due_at) AS kept_at
  FROM gold.feed_period
  WHERE served_at IS NOT NULL
  GROUP BY feed
),
missed AS (
  -- Periods in a row, up to now, in which nothing came.
  SELECT
    periods.feed,
    COUNT(*) AS missed_cnt
  FROM gold.feed_period AS periods
  LEFT JOIN kept ON kept.feed = periods.feed
  WHERE periods.state = 'missing'
    AND (kept.kept_at IS NULL OR periods.due_at > kept.kept_at)
  GROUP BY periods.feed
),
held AS (
  SELECT
    feed,
    live_cnt,
    ROW_NUMBER() OVER (
      PARTITION BY feed
      ORDER BY committed_at DESC, delivered_at DESC, first_batch_id DESC
    ) AS recency
  FROM gold.feed_batch
),
waiting AS (
  -- Deliveries that nobody had decided on at the cut-off: their rows were in no table.
  SELECT
    holds.feed,
    MIN(holds.opened_at) AS held_since_at,
    CAST(SUM(COALESCE(holds.read, 0) - COALESCE(holds.dropped, 0)) AS BIGINT) AS held_row_cnt
  FROM ops.hold AS holds
  LEFT JOIN ops.batch AS merged
    ON merged.batch_id = holds.batch_id
    AND merged.committed_at < :cut_off_at
  WHERE holds.state <> 'noted'
    AND holds.opened_at < :cut_off_at
    AND COALESCE(holds.decided_at >= :cut_off_at, TRUE)
    AND merged.batch_id IS NULL
  GROUP BY holds.feed
)
SELECT
  feeds.feed,
  feeds.catalogue_code,
  feeds.title,
  feeds.department_code,
  feeds.department_name,
  feeds.provider_code,
  feeds.share_type,
  feeds.update_cycle,
  feeds.level,
  feeds.channels,
  feeds.delivery,
  feeds.column_cnt,
  feeds.contract_version,
  promised.status,
  delivered.feed IS NOT NULL AS is_mounted,
  delivered.feed IS NOT NULL AND COALESCE(held.live_cnt, 0) > 0 AS is_collected,
  promised.is_required,
  promised.is_update_promised,
  delivered.last_update_at,
  -- What was mounted before its first deadline is on time until then.
  promised.is_update_promised AND COALESCE(judged.state = 'on_time', delivered.feed IS NOT NULL)
    AS is_on_time,
  CASE
    WHEN promised.is_update_promised AND delivered.feed IS NOT NULL
      THEN COALESCE(missed.missed_cnt, 0)
  END AS missed_cycle_cnt,
  COALESCE(held.live_cnt, 0) AS row_cnt,
  delivered.feed IS NOT NULL AND COALESCE(held.live_cnt, 0) = 0 AS is_empty,
  promised.is_update_promised AND delivered.feed IS NOT NULL AND COALESCE(missed.missed_cnt, 0) >= 2
    AS is_zombie,
  CAST(
    DATE_DIFF('microsecond', renewed.valid_at, :cut_off_at) // 86400000000 AS BIGINT
  ) AS data_age_days,
  waiting.feed IS NOT NULL AS is_held,
  waiting.held_since_at,
  COALESCE(waiting.held_row_cnt, 0) AS held_row_cnt
FROM ops.feed AS feeds
INNER JOIN promised ON promised.feed = feeds.feed
LEFT JOIN delivered ON delivered.feed = feeds.feed
LEFT JOIN renewed ON renewed.feed = feeds.feed
LEFT JOIN judged ON judged.feed = feeds.feed AND judged.recency = 1
LEFT JOIN missed ON missed.feed = feeds.feed
LEFT JOIN held ON held.feed = feeds.feed AND held.recency = 1
LEFT JOIN waiting ON waiting.feed = feeds.feed
ORDER BY feed
