-- wrk: POST the JSON bodies of a file, one a line, in turns. wrk -s post.lua http://… -- bodies.jsonl [tokens.txt]
-- With tokens, one a line, each request is sent with the next of these.
local requests = {}
local turn = 0

function init(args)
  local headers = { ["content-type"] = "application/json", ["accept"] = "application/json" }
  local tokens = {}
  if args[2] then
    for token in io.lines(args[2]) do tokens[#tokens + 1] = token end
  end
  for body in io.lines(args[1]) do
    if #tokens > 0 then headers["authorization"] = "Bearer " .. tokens[#requests % #tokens + 1] end
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "bytes": %d, "errors": %d, "p50_ms": %f, "p99_ms": %f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  ))
end
