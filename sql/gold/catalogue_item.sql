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
    MAX(received_at) AS last_update_at,
    DATE_DIFF('day', CAST(MAX(received_at) AS DATE), CAST(:cut_off_at AS DATE)) AS day_cnt
  FROM ops.delivery
  WHERE received_at < :cut_off_at
    AND outcome IN ('merged', 'unchanged')
  GROUP BY feed
),
elapsed AS (
  -- Whole days of 24 hours, wherever the days of the calendar begin.
  SELECT
    feed,
    last_update_at,
    day_cnt
    - CASE WHEN last_update_at + day_cnt * INTERVAL '1' DAY > :cut_off_at THEN 1 ELSE 0 END
      AS day_cnt
  FROM delivered
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
    elapsed.last_update_at + promised.cycle_days * INTERVAL '1' DAY >= :cut_off_at,
    FALSE
  ) AS is_on_time,
  CASE
    WHEN promised.is_update_promised THEN CAST(elapsed.day_cnt // promised.cycle_days AS BIGINT)
  END AS missed_cycle_cnt,
  COALESCE(held.live_cnt, 0) AS row_cnt,
  elapsed.feed IS NOT NULL AND COALESCE(held.live_cnt, 0) = 0 AS is_empty,
  COALESCE(
    promised.is_update_promised
    AND elapsed.last_update_at + 2 * promised.cycle_days * INTERVAL '1' DAY < :cut_off_at,
    FALSE
  ) AS is_zombie
FROM ops.feed AS feeds
INNER JOIN promised ON promised.feed = feeds.feed
LEFT JOIN elapsed ON elapsed.feed = feeds.feed
LEFT JOIN held ON held.feed = feeds.feed AND held.recency = 1
ORDER BY feed
