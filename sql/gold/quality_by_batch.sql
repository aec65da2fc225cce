-- Each delivered file's own checks by dimension, as they stood after each of its processings.
WITH asked AS (
  SELECT
    batch_id,
    dimension,
    CAST(SUM(CASE WHEN replaced IS NULL THEN checked ELSE 0 END) AS BIGINT) AS checked_cnt,
    CAST(SUM(failed - COALESCE(replaced, 0)) AS BIGINT) AS failed_cnt
  FROM ops.batch_rule
  WHERE kind IN ('rule', 'warn')
    AND dimension <> ''
  GROUP BY
    batch_id,
    dimension
),
stated AS (
  -- 数据记录完整性: what the manifest states against what came.
  SELECT
    spans.batch_id,
    'completeness' AS dimension,
    deliveries.stated_rows AS checked_cnt,
    GREATEST(deliveries.stated_rows - spans.row_cnt, 0) AS failed_cnt
  FROM gold.quality_span AS spans
  INNER JOIN ops.delivery AS deliveries ON deliveries.batch_id = spans.first_batch_id
  WHERE deliveries.stated_rows IS NOT NULL
    AND deliveries.outcome = 'merged'
    AND spans.is_whole
),
judged AS (
  -- What was asked of the delivery as a whole, such as the totals that its files state.
  SELECT
    spans.batch_id,
    results.dimension,
    results.checked AS checked_cnt,
    results.failed AS failed_cnt
  FROM gold.quality_span AS spans
  INNER JOIN ops.check_result AS results ON results.batch_id = spans.first_batch_id
  WHERE results.suite = 'countylake'
    AND results.dimension <> ''
    AND spans.is_whole
),
parts AS (
  SELECT
    batch_id,
    dimension,
    checked_cnt,
    failed_cnt
  FROM asked
  UNION ALL
  SELECT
    batch_id,
    dimension,
    checked_cnt,
    failed_cnt
  FROM stated
  UNION ALL
  SELECT
    batch_id,
    dimension,
    checked_cnt,
    failed_cnt
  FROM judged
),
counted AS (
  SELECT
    spans.batch_id,
    spans.first_batch_id,
    spans.feed,
    parts.dimension,
    CAST(SUM(parts.checked_cnt) AS BIGINT) AS checked_cnt,
    CAST(SUM(parts.checked_cnt - parts.failed_cnt) AS BIGINT) AS passed_cnt
  FROM gold.quality_span AS spans
  INNER JOIN gold.quality_span AS members
    ON members.first_batch_id = spans.first_batch_id
    AND members.generation = spans.generation
    AND members.position <= spans.position
  INNER JOIN parts ON parts.batch_id = members.batch_id
  GROUP BY
    spans.batch_id,
    spans.first_batch_id,
    spans.feed,
    parts.dimension
)
SELECT
  batch_id,
  first_batch_id,
  feed,
  dimension,
  checked_cnt,
  passed_cnt,
  CAST((20000 * passed_cnt + checked_cnt) // (2 * checked_cnt) * 0.01 AS DECIMAL(7, 2)) AS pass_pct
FROM counted
WHERE checked_cnt > 0
ORDER BY batch_id, dimension
