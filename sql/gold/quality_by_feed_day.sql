-- Six dimensions of every feed, and of all feeds together, as they stood at the end of each day of
-- the last year. What was not checked has no row, and its weight falls on the others.
WITH digits AS (
  SELECT 0 AS digit
  UNION ALL
  SELECT 1 AS digit
  UNION ALL
  SELECT 2 AS digit
  UNION ALL
  SELECT 3 AS digit
  UNION ALL
  SELECT 4 AS digit
  UNION ALL
  SELECT 5 AS digit
  UNION ALL
  SELECT 6 AS digit
  UNION ALL
  SELECT 7 AS digit
  UNION ALL
  SELECT 8 AS digit
  UNION ALL
  SELECT 9 AS digit
),
days AS (
  SELECT
    CAST(:day AS DATE) - (100 * hundreds.digit + 10 * tens.digit + ones.digit) AS day
  FROM digits AS hundreds
  CROSS JOIN digits AS tens
  CROSS JOIN digits AS ones
  WHERE 100 * hundreds.digit + 10 * tens.digit + ones.digit < 366
),
standing AS (
  SELECT
    spans.feed,
    days.day,
    spans.batch_id,
    spans.row_cnt
  FROM gold.quality_span AS spans
  INNER JOIN days
    ON days.day >= spans.first_day
    AND days.day < COALESCE(spans.end_day, :day + 1)
),
amounts AS (
  SELECT
    feed,
    day,
    CAST(SUM(row_cnt) AS BIGINT) AS row_cnt
  FROM standing
  GROUP BY
    feed,
    day
),
beside AS (
  SELECT
    answers.feed,
    days.day,
    answers.dimension,
    answers.checked_cnt,
    answers.failed_cnt,
    answers.kind = 'deadline' AS is_deadline
  FROM gold.quality_beside AS answers
  INNER JOIN days
    ON days.day >= answers.first_day
    AND days.day < COALESCE(answers.end_day, :day + 1)
),
parts AS (
  SELECT
    standing.feed,
    standing.day,
    batches.dimension,
    batches.checked_cnt,
    batches.passed_cnt
  FROM standing
  INNER JOIN gold.quality_by_batch AS batches ON batches.batch_id = standing.batch_id
  UNION ALL
  -- A period that falls due concerns every record of its feed.
  SELECT
    beside.feed,
    beside.day,
    beside.dimension,
    beside.checked_cnt
    * CASE WHEN beside.is_deadline THEN GREATEST(COALESCE(amounts.row_cnt, 0), 1) ELSE 1 END
      AS checked_cnt,
    (beside.checked_cnt - beside.failed_cnt)
    * CASE WHEN beside.is_deadline THEN GREATEST(COALESCE(amounts.row_cnt, 0), 1) ELSE 1 END
      AS passed_cnt
  FROM beside
  LEFT JOIN amounts
    ON amounts.feed = beside.feed
    AND amounts.day = beside.day
),
of_feeds AS (
  SELECT
    parts.feed,
    parts.day,
    parts.dimension,
    CAST(SUM(parts.checked_cnt) AS BIGINT) AS checked_cnt,
    CAST(SUM(parts.passed_cnt) AS BIGINT) AS passed_cnt
  FROM parts
  INNER JOIN ops.feed AS feeds ON feeds.feed = parts.feed
  GROUP BY
    parts.feed,
    parts.day,
    parts.dimension
),
of_all AS (
  SELECT
    'all' AS feed,
    day,
    dimension,
    CAST(SUM(checked_cnt) AS BIGINT) AS checked_cnt,
    CAST(SUM(passed_cnt) AS BIGINT) AS passed_cnt
  FROM of_feeds
  GROUP BY
    day,
    dimension
),
counted AS (
  SELECT
    feed,
    day,
    dimension,
    checked_cnt,
    passed_cnt
  FROM of_feeds
  UNION ALL
  SELECT
    feed,
    day,
    dimension,
    checked_cnt,
    passed_cnt
  FROM of_all
)
SELECT
  counted.feed,
  counted.day,
  counted.dimension,
  dimensions.weight,
  counted.passed_cnt,
  counted.checked_cnt,
  CAST(
    (20000 * counted.passed_cnt + counted.checked_cnt) // (2 * counted.checked_cnt) * 0.01
    AS DECIMAL(7, 2)
  ) AS pass_pct
FROM counted
INNER JOIN ops.quality_dimension AS dimensions
  ON dimensions.dimension = counted.dimension
  AND dimensions.weight > 0
WHERE counted.checked_cnt > 0
ORDER BY feed, day, dimension
