// The JSON routes: one request, one answer or one ApiError that says what to do.

const PATIENCE = 20_000; // milliseconds

/** A request that was not answered: `message`, `remedy`, `status` (0: the server could not be reached). */
export class ApiError extends Error {
  constructor(status, message, remedy) {
    super(message);
    this.status = status;
    this.remedy = remedy;
  }
}

/** GET /api/...; parameters that are null are left out. */
export function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined) query.set(key, String(value));
  }
  const text = query.toString();
  return request(`/api${path}${text ? `?${text}` : ''}`, { signal });
}

/** POST /api/...: an action; the record that it became. */
export function post(path, body) {
  return request(`/api${path}`, {
    method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
  });
}

/** The path of a job's route; any name is safe in it. */
export function ofJob(job, route) {
  return `/jobs/${encodeURIComponent(job)}/${route}`;
}

async function request(url, options) {
  const patience = AbortSignal.timeout(PATIENCE);
  const signal = options.signal ? AbortSignal.any([options.signal, patience]) : patience;
  let response;
  try {
    response = await fetch(url, { ...options, signal, credentials: 'same-origin' });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    if (patience.aborted) throw new ApiError(0, `no answer within ${PATIENCE / 1000} s`, 'The store is busy, or the range is too long: choose a shorter one.');
    throw new ApiError(0, 'the server cannot be reached', 'Is streamgauge still running? The page tries again by itself.');
  }
  if (response.ok) return response.json();
  const told = await response.json().catch(() => ({}));
  throw new ApiError(response.status, told.error || `status ${response.status}`, told.remedy || 'Try again.');
}
