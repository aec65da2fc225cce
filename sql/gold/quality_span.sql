-- Every processing of a delivered file: what it is made of, and the days on which it counts.
--
-- A full snapshot counts until a newer delivery is merged, an increment until one of a later day.
-- A replay of some rows stands on the processing of the whole file before it.
WITH processed AS (
  SELECT
    batch_id,
    COALESCE(source_batch_id, batch_id) AS first_batch_id,
    feed,
    delivery,
    delivered_at,
    committed_at,
    replaced IS NULL AS is_whole,
    read - dropped AS row_cnt,
    LEAST(CAST(delivered_at AT TIME ZONE 'Asia/Shanghai' AS DATE), :day) AS delivered_day,
    LEAST(CAST(committed_at AT TIME ZONE 'Asia/Shanghai' AS DATE), :day) AS day
  FROM ops.batch
  WHERE committed_at < :cut_off_at
),
numbered AS (
  SELECT
    batch_id,
    first_batch_id,
    feed,
    is_whole,
    row_cnt,
    day,
    ROW_NUMBER() OVER (PARTITION BY first_batch_id ORDER BY committed_at, batch_id) AS position,
    CAST(
      SUM(CASE WHEN is_whole THEN 1 ELSE 0 END)
        OVER (PARTITION BY first_batch_id ORDER BY committed_at, batch_id) AS BIGINT
    ) AS generation,
    LEAD(day) OVER (PARTITION BY first_batch_id ORDER BY committed_at, batch_id) AS next_day
  FROM processed
),
landed AS (
  SELECT
    first_batch_id,
    feed,
    MIN(delivery) AS delivery,
    MIN(delivered_at) AS delivered_at,
    MIN(delivered_day) AS delivered_day,
    MIN(day) AS first_day
  FROM processed
  GROUP BY
    first_batch_id,
    feed
),
replaced AS (
  SELECT
    first_batch_id,
    LEAST(
      MIN(CASE WHEN delivery = 'full' THEN first_day END) OVER (
        PARTITION BY feed
        ORDER BY delivered_at, first_batch_id
        ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
      ),
      MIN(first_day) OVER (
        PARTITION BY feed
        ORDER BY delivered_day
        RANGE BETWEEN INTERVAL '1' DAY FOLLOWING AND UNBOUNDED FOLLOWING
      )
    ) AS end_day
  FROM landed
)
SELECT
  numbered.batch_id,
  numbered.first_batch_id,
  numbered.feed,
  numbered.position,
  numbered.generation,
  numbered.is_whole,
  MAX(CASE WHEN numbered.is_whole THEN numbered.row_cnt END)
    OVER (PARTITION BY numbered.first_batch_id, numbered.generation) AS row_cnt,
  numbered.next_day IS NULL AS is_newest,
  numbered.day AS first_day,
  LEAST(numbered.next_day, replaced.end_day) AS end_day
FROM numbered
INNER JOIN replaced ON replaced.first_batch_id = numbered.first_batch_id
ORDER BY batch_id
