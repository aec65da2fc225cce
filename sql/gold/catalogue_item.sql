-- One entry of the catalogue per feed, drafts that nobody supplies yet included, as of the cut-off.
WITH promised AS (
  SELECT
    feed,
    COALESCE(status, 'active') AS status,
    COALESCE(is_required, TRUE) AS is_required,
    COALESCE(status, 'active') <> 'draft' AND COALESCE(update_cycle, '') <> '不更新'
      AS is_update_promised,
    sla_every * CASE sla_unit
      WHEN 'd' THEN 1
      WHEN 'w' THEN 7
      WHEN 'm' THEN 31
      WHEN 'q' THEN 92
      ELSE 366
    END AS cycle_days
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
answered AS (
  -- A source that was asked and has nothing new is up to date without a delivery.
  SELECT
    runs.task AS feed,
    MAX(runs.finished_at) AS answered_at
  FROM ops.task_run AS runs
  INNER JOIN ops.feed AS feeds ON feeds.feed = runs.task AND feeds.is_asked
  WHERE runs.kind = 'feed'
    AND runs.status = 'skipped'
    AND runs.reason IS NULL
    AND runs.finished_at < :cut_off_at
  GROUP BY runs.task
),
upheld AS (
  SELECT
    delivered.feed,
    delivered.last_update_at,
    CASE
      WHEN answered.answered_at > delivered.last_update_at THEN answered.answered_at
      ELSE delivered.last_update_at
    END AS valid_at
  FROM delivered
  LEFT JOIN answered ON answered.feed = delivered.feed
),
elapsed AS (
  -- Whole days of 24 hours, wherever the days of the calendar begin.
  SELECT
    feed,
    last_update_at,
    valid_at,
    DATE_DIFF('day', CAST(valid_at AS DATE), CAST(:cut_off_at AS DATE))
    - CASE
      WHEN valid_at
        + DATE_DIFF('day', CAST(valid_at AS DATE), CAST(:cut_off_at AS DATE)) * INTERVAL '1' DAY
        > :cut_off_at
        THEN 1
      ELSE 0
    END AS day_cnt
  FROM upheld
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
  elapsed.feed IS NOT NULL AS is_mounted,
  elapsed.feed IS NOT NULL AND COALESCE(held.live_cnt, 0) > 0 AS is_collected,
  promised.is_required,
  promised.is_update_promised,
  elapsed.last_update_at,
  COALESCE(
    elapsed.valid_at + promised.cycle_days * INTERVAL '1' DAY >= :cut_off_at,
    FALSE
  ) AS is_on_time,
  CASE
    WHEN promised.is_update_promised THEN CAST(elapsed.day_cnt // promised.cycle_days AS BIGINT)
  END AS missed_cycle_cnt,
  COALESCE(held.live_cnt, 0) AS row_cnt,
  elapsed.feed IS NOT NULL AND COALESCE(held.live_cnt, 0) = 0 AS is_empty,
  COALESCE(
    promised.is_update_promised
    AND elapsed.valid_at + 2 * promised.cycle_days * INTERVAL '1' DAY < :cut_off_at,
    FALSE
  ) AS is_zombie
FROM ops.feed AS feeds
INNER JOIN promised ON promised.feed = feeds.feed
LEFT JOIN elapsed ON elapsed.feed = feeds.feed
LEFT JOIN held ON held.feed = feeds.feed AND held.recency = 1
ORDER BY feed
