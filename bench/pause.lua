-- How long a connection of wrk's waits between an answer and its next request, in milliseconds:
-- the first argument after `--`.
local pause

function init(args)
   pause = tonumber(args[1])
end

function delay()
   return pause
end
