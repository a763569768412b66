-- SPDX-License-Identifier: GPL-2.0
--
-- Lets Wireshark and tshark read the frames of AF_WREN, see Documentation/af_wren.rst:
--
--     tshark -X lua_script:tools/wireshark/wren.lua -r tools/wireshark/wren.pcap
--
-- In the directory of personal Lua plugins (Help, About, Folders) it is loaded each time. Root's
-- scripts are not, unless init.lua allows it.

local wren = Proto("wren", "AF_WREN")

-- struct wrenhdr in include/uapi/linux/wren.h
local HEADER_BYTES = 12
local VERSION = 1
local TYPES = { [1] = "Datagram" }

-- WREN_ETHERTYPE_DEFAULT
local ETHERTYPE = 0x88b5

-- What Wireshark's own dissectors say of a checksum
local BAD, GOOD, UNVERIFIED, ABSENT = 0, 1, 2, 3
local STATUS = { [BAD] = "Bad", [GOOD] = "Good", [UNVERIFIED] = "Unverified",
		 [ABSENT] = "Not present" }

local fields = {
	version = ProtoField.uint8("wren.version", "Version"),
	type = ProtoField.uint8("wren.type", "Type", base.DEC, TYPES),
	sport = ProtoField.uint16("wren.srcport", "Source port"),
	dport = ProtoField.uint16("wren.dstport", "Destination port"),
	port = ProtoField.uint16("wren.port", "Source or destination port"),
	len = ProtoField.uint16("wren.length", "Length of the payload"),
	check = ProtoField.uint16("wren.checksum", "Checksum", base.HEX),
	status = ProtoField.uint8("wren.checksum.status", "Checksum status", base.DEC, STATUS),
	calculated = ProtoField.uint16("wren.checksum.calculated", "Calculated checksum",
				       base.HEX),
	zero = ProtoField.uint16("wren.zero", "Zero", base.HEX),
	payload = ProtoField.bytes("wren.payload", "Payload"),
	padding = ProtoField.bytes("wren.padding", "Padding"),
}
wren.fields = fields

local function malformed(name, text)
	return ProtoExpert.new("wren." .. name, text, expert.group.MALFORMED,
			       expert.severity.ERROR)
end

local function unexpected(name, text)
	return ProtoExpert.new("wren." .. name, text, expert.group.PROTOCOL, expert.severity.WARN)
end

local experts = {
	short = malformed("short", "The frame is shorter than the header"),
	length = malformed("length.bad", "The frame is shorter than its length says"),
	check = ProtoExpert.new("wren.checksum.bad", "The checksum is wrong",
				expert.group.CHECKSUM, expert.severity.ERROR),
	version = unexpected("version.unknown", "Unknown version: the frame is dropped"),
	type = unexpected("type.unknown", "Unknown type: the frame is dropped"),
	zero = unexpected("zero.nonzero", "Not zero: the frame is dropped"),
	port = unexpected("port.zero", "No socket has port 0"),
}
wren.experts = experts

wren.prefs.ethertype = Pref.uint("EtherType", ETHERTYPE,
				 "That of the frames, in decimal: parameter ethertype of the module")
wren.prefs.checksum = Pref.bool("Validate the checksum", true,
				"Whether to look if the checksum is right, where there is one")

-- For dissectors of what is in a datagram, by the port of one end
local ports = DissectorTable.new("wren.port", "AF_WREN port", ftypes.UINT16, base.DEC, wren)
local data = Dissector.get("data")

-- The sum of RFC 1071 over the bytes of a string, folded
local function sum(bytes)
	local total = 0

	for n = 1, #bytes - 1, 2 do
		total = total + bytes:byte(n) * 256 + bytes:byte(n + 1)
	end
	if #bytes % 2 == 1 then
		total = total + bytes:byte(-1) * 256
	end
	while total > 0xffff do
		total = total % 0x10000 + math.floor(total / 0x10000)
	end
	return total
end

-- What the checksum should be: never 0, which says that there is none.
local function checksum(tvb, len)
	local complement = 0xffff - sum(tvb:raw(0, 8) .. "\0\0" .. tvb:raw(10, len - 10))

	return complement == 0 and 0xffff or complement
end

-- Adds the checksum, and what is to be said of it; covered: how many bytes it covers, nil if they
-- are not all there.
local function add_checksum(tree, tvb, covered)
	local range = tvb(8, 2)
	local found = range:uint()
	local item = tree:add(fields.check, range)
	local status = UNVERIFIED

	if found == 0 then
		status = ABSENT
		item:append_text(" [none]")
	elseif covered and wren.prefs.checksum then
		local right = checksum(tvb, covered)

		status = GOOD
		if found ~= right then
			status = BAD
			item:append_text(string.format(" [incorrect, should be 0x%04x]", right))
			item:add_proto_expert_info(experts.check)
		end
		tree:add(fields.calculated, range, right):set_generated()
	end
	tree:add(fields.status, range, status):set_generated()
end

-- Adds a port, which can also be asked for without saying whose it is.
local function add_port(tree, field, range)
	local item = tree:add(field, range)

	tree:add(fields.port, range):set_hidden()
	if range:uint() == 0 then
		item:add_proto_expert_info(experts.port)
	end
	return range:uint()
end

-- The payload: to who knows the port, else as bytes
local function add_payload(tvb, pinfo, tree, root, sport, dport)
	local dissector = ports:get_dissector(dport) or ports:get_dissector(sport) or data

	tree:add(fields.payload, tvb:range()):set_hidden()
	dissector:call(tvb, pinfo, root)
end

function wren.dissector(tvb, pinfo, root)
	-- On the wire, and in the file: a capture may have cut it short.
	local length, captured = tvb:reported_len(), tvb:len()

	pinfo.cols.protocol = "WREN"
	if captured < HEADER_BYTES then
		local tree = root:add(wren, tvb:range())

		pinfo.cols.info = "Short frame"
		if length < HEADER_BYTES then
			tree:add_proto_expert_info(experts.short)
		end
		return captured
	end

	local len = tvb(6, 2):uint()
	local covered = HEADER_BYTES + len
	local tree = root:add(wren, tvb(0, math.min(covered, captured)))
	local item = tree:add(fields.version, tvb(0, 1))

	if tvb(0, 1):uint() ~= VERSION then
		-- It may mean something else by what follows.
		item:add_proto_expert_info(experts.version)
		pinfo.cols.info = "Unknown version"
		return captured
	end
	item = tree:add(fields.type, tvb(1, 1))
	if not TYPES[tvb(1, 1):uint()] then
		item:add_proto_expert_info(experts.type)
	end

	local sport = add_port(tree, fields.sport, tvb(2, 2))
	local dport = add_port(tree, fields.dport, tvb(4, 2))

	pinfo.cols.info = string.format("%u \u{2192} %u Len=%u", sport, dport, len)
	tree:append_text(string.format(", port %u to port %u, %u bytes", sport, dport, len))
	item = tree:add(fields.len, tvb(6, 2))
	if covered > length then
		item:add_proto_expert_info(experts.length)
	end
	add_checksum(tree, tvb, covered <= captured and covered or nil)
	item = tree:add(fields.zero, tvb(10, 2))
	if tvb(10, 2):uint() ~= 0 then
		item:add_proto_expert_info(experts.zero)
	end
	if captured > HEADER_BYTES and len > 0 then
		local payload = tvb(HEADER_BYTES, math.min(len, captured - HEADER_BYTES))

		add_payload(payload:tvb(), pinfo, tree, root, sport, dport)
	end
	if captured > covered then
		tree:add(fields.padding, tvb(covered))
	end
	return captured
end

-- The table of EtherTypes, and what is in it for us
local ethertypes = DissectorTable.get("ethertype")
local registered = ETHERTYPE

ethertypes:add(registered, wren)

function wren.prefs_changed()
	if wren.prefs.ethertype ~= registered then
		ethertypes:remove(registered, wren)
		registered = wren.prefs.ethertype
		ethertypes:add(registered, wren)
	end
end
