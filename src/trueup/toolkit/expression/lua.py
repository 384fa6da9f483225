"""Argo CD's Lua health scripts: ``obj`` in, ``{status, message}`` out, with no way out of the sandbox.

A script gets a new Lua state with an environment of its own: no ``io``, ``package``, ``debug``, ``ffi``, ``load``, no Python; of ``os``
only ``time`` and ``date``. It is interpreted, not compiled, so that its instructions can be counted. What no count sees (one pattern of ten
characters can search for minutes) only ends with the process: therefore this is called in a confined one.
"""

from collections.abc import Mapping
from typing import Any, Final

from lupa import LuaError, LuaMemoryError, luajit21  # type: ignore[import-untyped]

from trueup.toolkit.expression.finding import Finding, Limits

MEMORY: Final = 64 * 1024 * 1024
"""Bytes of a Lua state."""

_SANDBOX: Final = """
local source, obj, instructions, now = ...
jit.off() jit.flush()
local sethook, setfenv, loadstring, rawpcall, raise = debug.sethook, setfenv, loadstring, pcall, error
local type, tostring, setmetatable, rawget = type, tostring, setmetatable, rawget
local clock, date = os.time, os.date

local function copy(from, without)
  local to = {}
  for name, value in pairs(from) do
    if not without[name] then to[name] = value end
  end
  return to
end

local spent = false
local function over()
  spent = true
  raise("it takes more than " .. instructions .. " instructions", 0)
end
local function settled(...)
  if spent then over() end
  return ...
end

local env = {
  _VERSION = _VERSION, obj = obj, actionParams = {},
  assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, print = function() end, rawequal = rawequal,
  rawget = rawget, rawset = rawset, select = select, setmetatable = setmetatable, getmetatable = getmetatable, tonumber = tonumber,
  tostring = tostring, type = type, unpack = unpack,
  pcall = function(...) return settled(rawpcall(...)) end,
  string = copy(string, {dump = true}), table = copy(table, {}), math = copy(math, {randomseed = true}),
  os = {time = function(at) return at and clock(at) or now end, date = function(form, at) return date(form or "%c", at or now) end},
}
env._G = env
env.require = function(name)
  if name == "os" then return env.os end
  raise("require gives no module but os", 0)
end
local of_strings = getmetatable("")
of_strings.__index, of_strings.__metatable = env.string, false

if source:byte(1) == 27 then return "fault", "it is compiled code" end
local script, fault = loadstring(source, "=health.lua")
if not script then return "fault", fault end
setfenv(script, env)
sethook(over, "", instructions)
local fine, answer = rawpcall(script)
sethook()
if spent then return "fault", "it takes more than " .. instructions .. " instructions" end
if not fine then return "fault", tostring(answer) end
if answer == nil then return "nothing" end
if type(answer) ~= "table" then return "fault", "it gives a " .. type(answer) .. ", not a table with status and message" end
local status, message = rawget(answer, "status"), rawget(answer, "message")
return "answer", status ~= nil and tostring(status) or "", message ~= nil and tostring(message) or ""
"""


def verdict(source: str, obj: Mapping[str, Any], now: float, limits: Limits) -> Finding:
    """What a script says: ``[status, message]``, None when it says nothing. ``now`` is the time that it is told."""
    try:
        lua = luajit21.LuaRuntime(register_eval=False, register_builtins=False, unpack_returned_tuples=True, max_memory=MEMORY)
        given = lua.table_from(obj, recursive=True)
        answer = lua.execute(_SANDBOX, source, given, limits.instructions, int(now))
    except LuaMemoryError:
        return Finding(fault=f"it takes more than {MEMORY >> 20} MiB")
    except (LuaError, UnicodeError, RecursionError) as error:
        return Finding(fault=_first_line(str(error)))
    kind, *words = answer if isinstance(answer, tuple) else (answer,)
    if kind == "fault":
        return Finding(fault=_first_line(str(words[0])))
    return Finding(words if kind == "answer" and words[0] else None)


def _first_line(text: str) -> str:
    return text.splitlines()[0][:300] if text else "it fails"
