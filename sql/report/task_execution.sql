-- Executions that did something; looking into an empty inbox is not one.
WITH execution AS (
  SELECT
    task,
    run_id,
    due_at,
    started_at,
    finished_at,
    status,
    deliveries,
    read,
    accepted,
    rejected,
    duplicate,
    superseded,
    dropped,
    ROW_NUMBER() OVER (
      PARTITION BY task
      ORDER BY finished_at DESC, started_at DESC, run_id DESC
    ) AS recency
  FROM ops.task_run
  WHERE kind = 'feed'
    AND status <> 'skipped'
    AND day = :day
    AND finished_at < :cut_off_at
),
tasks AS (
  SELECT
    feed AS member_task,
    feed AS task,
    title,
    department_code,
    department_name
  FROM ops.feed
  WHERE COALESCE(status, 'active') <> 'draft'
  UNION ALL
  SELECT
    feed AS member_task,
    'all' AS task,
    '合计' AS title,
    'all' AS department_code,
    '合计' AS department_name
  FROM ops.feed
  WHERE COALESCE(status, 'active') <> 'draft'
),
counted AS (
  SELECT
    tasks.task,
    tasks.title,
    tasks.department_code,
    tasks.department_name,
    MAX(execution.due_at) AS due_at,
    MIN(execution.started_at) AS started_at,
    MAX(execution.finished_at) AS finished_at,
    MAX(CASE WHEN execution.recency = 1 AND tasks.task <> 'all' THEN execution.status END)
      AS status,
    COUNT(execution.task) AS execution_cnt,
    COUNT(execution.task) FILTER (WHERE execution.status = 'success') AS success_cnt,
    COUNT(execution.task) FILTER (WHERE execution.status = 'partial') AS partial_cnt,
    COUNT(execution.task) FILTER (WHERE execution.status = 'failed') AS failed_cnt,
    COUNT(execution.task) FILTER (
      WHERE execution.status = 'success' AND execution.finished_at <= execution.due_at
    ) AS on_time_cnt,
    CAST(COALESCE(SUM(execution.deliveries), 0) AS BIGINT) AS delivery_cnt,
    CAST(COALESCE(SUM(execution.read), 0) AS BIGINT) AS read_cnt,
    CAST(COALESCE(SUM(execution.accepted), 0) AS BIGINT) AS accepted_cnt,
    CAST(COALESCE(SUM(execution.rejected), 0) AS BIGINT) AS rejected_cnt,
    CAST(COALESCE(SUM(execution.duplicate), 0) AS BIGINT) AS duplicate_cnt,
    CAST(COALESCE(SUM(execution.superseded), 0) AS BIGINT) AS superseded_cnt,
    CAST(COALESCE(SUM(execution.dropped), 0) AS BIGINT) AS dropped_cnt
  FROM tasks
  LEFT JOIN execution ON execution.task = tasks.member_task
  GROUP BY
    tasks.task,
    tasks.title,
    tasks.department_code,
    tasks.department_name
)
SELECT
  task,
  title,
  department_code,
  department_name,
  due_at,
  started_at,
  finished_at,
  CASE WHEN task = 'all' THEN '' ELSE COALESCE(status, 'none') END AS status,
  execution_cnt,
  success_cnt,
  partial_cnt,
  failed_cnt,
  CAST((20000 * success_cnt + execution_cnt) // NULLIF(2 * execution_cnt, 0) * 0.01 AS DECIMAL(7, 2))
    AS success_pct,
  on_time_cnt,
  CAST((20000 * on_time_cnt + execution_cnt) // NULLIF(2 * execution_cnt, 0) * 0.01 AS DECIMAL(7, 2))
    AS on_time_pct,
  delivery_cnt,
  read_cnt,
  accepted_cnt,
  rejected_cnt,
  duplicate_cnt,
  superseded_cnt,
  dropped_cnt
FROM counted
ORDER BY task
