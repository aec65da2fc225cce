-- What the scores of the day are made of: every rule of every feed, how often it was asked, how
-- often it failed, and how many checks one question stands for.
WITH standing AS (
  SELECT
    batch_id,
    first_batch_id,
    feed,
    position,
    generation,
    row_cnt
  FROM gold.quality_span
  WHERE first_day <= :day
    AND COALESCE(end_day, :day + 1) > :day
),
members AS (
  SELECT
    standing.feed,
    spans.batch_id
  FROM standing
  INNER JOIN gold.quality_span AS spans
    ON spans.first_batch_id = standing.first_batch_id
    AND spans.generation = standing.generation
    AND spans.position <= standing.position
),
amounts AS (
  SELECT
    feed,
    CAST(SUM(row_cnt) AS BIGINT) AS row_cnt
  FROM standing
  GROUP BY feed
),
parts AS (
  SELECT
    members.feed,
    rules.rule_id,
    rules.dimension,
    'row' AS kind,
    CASE WHEN rules.replaced IS NULL THEN rules.checked ELSE 0 END AS checked_cnt,
    rules.failed - COALESCE(rules.replaced, 0) AS failed_cnt
  FROM members
  INNER JOIN ops.batch_rule AS rules ON rules.batch_id = members.batch_id
  WHERE rules.kind IN ('rule', 'warn')
    AND rules.dimension <> ''
  UNION ALL
  SELECT
    standing.feed,
    'rows.stated' AS rule_id,
    'completeness' AS dimension,
    'manifest' AS kind,
    deliveries.stated_rows AS checked_cnt,
    GREATEST(deliveries.stated_rows - standing.row_cnt, 0) AS failed_cnt
  FROM standing
  INNER JOIN ops.delivery AS deliveries ON deliveries.batch_id = standing.first_batch_id
  WHERE deliveries.stated_rows IS NOT NULL
    AND deliveries.outcome = 'merged'
  UNION ALL
  SELECT
    standing.feed,
    results.rule_id,
    results.dimension,
    'delivery' AS kind,
    results.checked AS checked_cnt,
    results.failed AS failed_cnt
  FROM standing
  INNER JOIN ops.check_result AS results ON results.batch_id = standing.first_batch_id
  WHERE results.suite = 'countylake'
    AND results.dimension <> ''
  UNION ALL
  SELECT
    feed,
    rule_id,
    dimension,
    kind,
    checked_cnt,
    failed_cnt
  FROM gold.quality_beside
  WHERE first_day <= :day
    AND COALESCE(end_day, :day + 1) > :day
),
counted AS (
  SELECT
    parts.feed,
    parts.rule_id,
    parts.dimension,
    parts.kind,
    CAST(SUM(parts.checked_cnt) AS BIGINT) AS checked_cnt,
    CAST(SUM(parts.failed_cnt) AS BIGINT) AS failed_cnt
  FROM parts
  INNER JOIN ops.feed AS feeds ON feeds.feed = parts.feed
  INNER JOIN ops.quality_dimension AS dimensions
    ON dimensions.dimension = parts.dimension
    AND dimensions.weight > 0
  GROUP BY
    parts.feed,
    parts.rule_id,
    parts.dimension,
    parts.kind
)
SELECT
  counted.feed,
  :day AS day,
  counted.rule_id,
  counted.dimension,
  counted.kind,
  counted.checked_cnt,
  counted.failed_cnt,
  CASE
    WHEN counted.kind = 'deadline' THEN GREATEST(COALESCE(amounts.row_cnt, 0), 1)
    ELSE 1
  END AS check_weight
FROM counted
LEFT JOIN amounts ON amounts.feed = counted.feed
WHERE counted.checked_cnt > 0
ORDER BY feed, rule_id, dimension
