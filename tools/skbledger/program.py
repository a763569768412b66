# SPDX-License-Identifier: GPL-2.0
"""
The program that keeps the books in the kernel, in the language of bpftrace. It is put together from
few pieces, because that language has no functions:

sight(): a packet passes by. If it has a destructor and is not in the books, it has been charged
    since it was seen last, and is written down; if it is there, its holder is brought up to date.
release(): a destructor is called. The packet is struck out.
gone(): a packet that is in the books is freed and has no destructor any more: it was handed on
    without a call, by skb_steal_sock() or segmentation.

A packet is looked at only where it cannot be taken away meanwhile: before a function hands it on,
or where its caller still has it.
"""

from .destructors import CALLERS, KNOWN, OPTION, RECEIVE, REFERENCE, SEND, KernelError

# Where a packet was seen last; "where" of a claim is then the address of what is said behind it.
SOCKET, PROTOCOL, QDISC, DEVICE, INPUT, QUEUE, ERRORS = range(1, 8)
PLACES = {
    SOCKET: "socket",
    PROTOCOL: "protocol",
    QDISC: "qdisc",  # net_device
    DEVICE: "device",  # net_device
    INPUT: "input",  # net_device
    QUEUE: "receive queue",  # sock
    ERRORS: "error queue",  # sock
}
# How a claim ended
FREED, EARLY, ORPHANED = range(1, 4)

# Values of @claim, @sock and others, in this order
CLAIM = ("since", "sk", "destructor", "truesize", "place", "where", "queue", "seen")
NOW = ("sk", "destructor", "truesize", "queue")
SOCK = ("seen", "kind", "own", "send", "receive", "option")
KERNEL = ("references", "send", "receive", "option")
NAMES = ("inode", "family", "type", "protocol")
SENDING = ("since", "sk", "pid", "comm")
SENDER = ("pid", "comm")
DEVICE_FIELDS = ("name", "ifindex", "netns")

# The maps that a look shows
SHOWN = """
    claim now qdisc sock names kernel sending sender dev charged charged_bytes unknown unknown_bytes
    released released_bytes changed handed handed_bytes lost refused refused_bytes ended held
    longest
""".split()
# Those that it makes
LOOKED = ("now", "qdisc", "names", "kernel")

TCP_TIME_WAIT, TCP_NEW_SYN_RECV = 6, 12


class Program:
    """Puts it together for the symbols of a kernel."""

    def __init__(self, symbols, extra=()):
        self.symbols = symbols
        self.missing = []
        self.known = {name: kind for name, kind in KNOWN.items() if symbols.address(name)}
        for name in extra:
            if not symbols.address(name):
                raise KernelError(f"the kernel has no function {name}")
            self.known[name] = SEND

    # Pieces

    def _any(self, variable, names):
        """An expression: the variable is the address of one of them."""
        found = [self.symbols.address(name) for name in names if self.symbols.address(name)]
        return " || ".join(f"{variable} == {address:#x}" for address in found) or "0"

    def _kind(self):
        """Sets $kind to what $d gives back."""
        branches = [
            f"if ({self._any('$d', [n for n, k in self.known.items() if k == kind])}) "
            f"{{ $kind = (uint64){kind}; }}"
            for kind in (RECEIVE, REFERENCE, OPTION)
        ]
        return "$kind = (uint64)0; " + " else ".join(branches)

    @staticmethod
    def _write(charged):
        """A new claim of $sk; charged: whether the counters of the socket have it already."""
        return f"""
            @charged[$d] = count(); @charged_bytes[$d] = sum($t);
            $o = (struct sock *)$sk;
            $state = $o->__sk_common.skc_state;
            if (@sock[$sk].0 == 0 && $state != {TCP_TIME_WAIT} && $state != {TCP_NEW_SYN_RECV}) {{
                @sock[$sk] = (nsecs, $kind, {"$t" if charged else "(uint64)0"},
                    (int64)$o->sk_wmem_alloc.refs.counter - 1,
                    (int64)$o->sk_backlog.rmem_alloc.counter,
                    (int64)$o->sk_omem_alloc.counter);
            }}"""

    def sight(self, packet, place, where="(uint64)0", queue="(uint64)0", only="1", fresh=False):
        """
        A packet passes by; only: what has to hold besides; fresh: it has been charged just now,
        so if it is in the books its end was missed.
        """
        same = "0" if fresh else "$c.1 == $sk"
        value = f"$sk, $d, $t, (uint64){place}, {where}, {queue}, nsecs"
        return f"""
        $s = (struct sk_buff *){packet};
        $d = (uint64)$s->destructor;
        $key = (uint64)$s;
        if ($d != 0 && {only}) {{
            {self._kind()}
            $key = (uint64)$s + $kind;
            $sk = (uint64)$s->sk;
            $t = (uint64)$s->truesize;
            $c = @claim[$key];
            if ($c.0 != 0 && {same}) {{
                @claim[$key] = ($c.0, {value});
                @changed[$d] = sum((int64)$t - (int64)$c.3);
            }} else {{
                if ($c.0 != 0) {{ @lost[$c.2] = count(); }}
                @claim[$key] = (nsecs, {value});{self._write(True)}
            }}
        }}"""

    def release(self, kind, ends="0"):
        """The destructor $d is called for $s; ends: whether the packet is being freed besides."""
        how = ""
        if kind == SEND:
            how = f"""
            $how = (uint64){ORPHANED};
            $x = @xmit[(uint64)$s];
            if ({ends} || @freeing[(uint64)$s] != 0) {{
                $how = (uint64){FREED};
                delete(@freeing[(uint64)$s]);
            }} else if ($x.0 != 0 && $x.1 == (uint64)cpu) {{
                $how = (uint64){EARLY};
            }}
            @ended[$how, $c.4, $c.5] = count();"""
        return f"""
        $key = (uint64)$s + (uint64){kind};
        $t = (uint64)$s->truesize;
        $c = @claim[$key];
        if ($c.0 != 0) {{
            delete(@claim[$key]);
            @released[$d] = count(); @released_bytes[$d] = sum($t);
            @changed[$d] = sum((int64)$t - (int64)$c.3);
            @held[$d] = stats(nsecs - $c.0); @longest[$d] = max(nsecs - $c.0);{how}
        }} else {{
            @unknown[$d] = count(); @unknown_bytes[$d] = sum($t);
        }}"""

    @staticmethod
    def gone(*kinds):
        """$s has no destructor; if there is a claim it was handed on."""
        return "".join(
            f"""
            $key{kind} = (uint64)$s + (uint64){kind};
            $c{kind} = @claim[$key{kind}];
            if ($c{kind}.0 != 0) {{
                delete(@claim[$key{kind}]);
                @handed[$c{kind}.2] = count(); @handed_bytes[$c{kind}.2] = sum($c{kind}.3);
            }}"""
            for kind in kinds
        )

    def taken(self, packet):
        """A packet that a socket was on comes to the protocol."""
        return f"""
        $s = (struct sk_buff *){packet};
        if ((uint64)$s->destructor == 0) {{{self.gone(REFERENCE)}
        }}"""

    def tail(self, queue, place):
        """What was put last into a queue of args.sk. It may have been read by now."""
        return f"""
        $last = (uint64)args.sk->{queue}.prev;
        if ($last != (uint64)args.sk + offsetof(struct sock, {queue})) {{
            {self.sight("$last", place, "(uint64)args.sk")}
            if ($d != 0 && (uint64)$s->destructor == 0) {{
                delete(@claim[$key]);
                @handed[$d] = count(); @handed_bytes[$d] = sum((uint64)$s->truesize);
            }}
        }}"""

    @staticmethod
    def note_device(device):
        """
        The name of a device, which may be gone when somebody wants to know, and another one in its
        place.
        """
        return f"""
        $dev = (struct net_device *){device};
        $index = (uint64)$dev->ifindex;
        $inum = (uint64)$dev->nd_net.net->ns.inum;
        if (@dev[(uint64)$dev].1 != $index || @dev[(uint64)$dev].2 != $inum) {{
            @dev[(uint64)$dev] = ($dev->name, $index, $inum);
        }}"""

    # Where they are put

    def _functions(self, moment, names, body):
        """A probe at several functions, without those that the kernel does not have."""
        found = [name for name in names if self.symbols.address(name)]
        self.missing += [name for name in names if name not in found]
        if not found:
            return ""
        return f"{', '.join(f'{moment}:{name}' for name in found)} {{{body}\n}}\n"

    def _charges(self):
        """Where packets get a destructor."""
        yield self._functions(
            "fexit", ["skb_set_owner_w"], self.sight("args.skb", SOCKET, fresh=True)
        )
        yield self._functions(
            "kretprobe",
            ["sock_alloc_send_pskb", "sock_omalloc", "skb_clone_sk"],
            f"""
        delete(@sending[tid]);
        if (retval != 0) {{{self.sight("retval", SOCKET)}
        }}""",
        )
        yield self._functions(
            "fexit", ["skb_orphan_partial"], self.sight("args.skb", QDISC, "(uint64)$s->dev")
        )
        # Of their arguments the packet is the second one, and the first one.
        yield self._functions(
            "kprobe",
            ["__ip_queue_xmit", "inet6_csk_xmit", "skb_queue_tail"],
            self.sight("arg1", PROTOCOL),
        )
        yield self._functions(
            "kprobe",
            ["tcp_v4_rcv", "tcp_v6_rcv", "udp_rcv", "udpv6_rcv", "netlink_rcv_skb"],
            self.sight("arg0", PROTOCOL),
        )
        # Under the lock of the socket. A packet that was merged with another one is freed.
        received = "(uint64)args.sk"
        mine = f"(uint64)$s->sk == {received}"
        yield self._functions(
            "fexit",
            ["tcp_queue_rcv"],
            f"if (retval == 0) {{{self.sight('args.skb', QUEUE, received, only=mine)}\n}}",
        )
        yield self._functions(
            "fexit", ["tcp_data_queue"], self.sight("args.skb", QUEUE, received, only=mine)
        )
        yield self._functions("fentry", ["sock_def_readable"], self.tail("sk_receive_queue", QUEUE))
        yield self._functions("fentry", ["sk_error_report"], self.tail("sk_error_queue", ERRORS))
        yield from self._queued()

    def _queued(self):
        """
        A packet that is queued may be read before the function that does it returns. So it is
        written down at the entry, and struck out if it was refused.
        """
        rfree = self.symbols.address("sock_rfree")
        yield self._functions(
            "fentry",
            ["__sock_queue_rcv_skb"],
            f"""
        $s = args.skb;
        $d = (uint64){rfree:#x};
        $kind = (uint64){RECEIVE};
        $key = (uint64)$s + $kind;
        $sk = (uint64)args.sk;
        $t = (uint64)$s->truesize;
        @claim[$key] = (nsecs, $sk, $d, $t, (uint64){QUEUE}, $sk, (uint64)0, nsecs);
        {self._write(False)}""",
        )
        yield self._functions(
            "fexit",
            ["__sock_queue_rcv_skb"],
            f"""
        if (retval != 0) {{
            delete(@claim[(uint64)args.skb + (uint64){RECEIVE}]);
            @refused = count(); @refused_bytes = sum((uint64)args.skb->truesize);
        }}""",
        )

    def _releases(self):
        """Where the destructors are."""
        for kind in (SEND, RECEIVE, OPTION, REFERENCE):
            yield self._functions(
                "kprobe",
                [name for name, of in self.known.items() if of == kind and name not in CALLERS],
                f"""
        $s = (struct sk_buff *)arg0;
        $d = (uint64)$s->destructor;
        {self.release(kind)}""",
            )

    def _ends(self):
        """Where packets are freed, and where a socket is taken off one without a call."""
        known = self._any("$d", self.known)
        yield f"""tracepoint:skb:consume_skb, tracepoint:skb:kfree_skb {{
        $s = (struct sk_buff *)args.skbaddr;
        $d = (uint64)$s->destructor;
        if ($d == 0) {{{self.gone(SEND, REFERENCE)}
        }} else if ({known}) {{
            if (@claim[(uint64)$s].0 != 0) {{ @freeing[(uint64)$s] = (uint64)1; }}
        }} else {{
            {self.release(SEND, "1")}
        }}
}}
"""
        yield self._functions(
            "kprobe",
            [
                "tcp_v4_do_rcv",
                "tcp_v6_do_rcv",
                "tcp_add_backlog",
                "tcp_check_req",
                "tcp_timewait_state_process",
                "__udp_enqueue_schedule_skb",
            ],
            self.taken("arg1"),
        )
        yield self._functions(
            "kprobe",
            ["sk_destruct"],
            "delete(@sock[(uint64)arg0]); delete(@sender[(uint64)arg0]); "
            "delete(@names[(uint64)arg0]);",
        )

    def _holders(self):
        """Where packets go from one holder to the next."""
        queue = "(uint64)$s->queue_mapping"
        packet = "args.skbaddr"
        device = "(uint64)((struct sk_buff *)args.skbaddr)->dev"
        yield f"""tracepoint:net:net_dev_queue {{
        {self.note_device(device)}
        {self.sight(packet, QDISC, "(uint64)$dev")}
}}
tracepoint:net:net_dev_start_xmit {{
        {self.note_device(device)}
        {self.sight(packet, DEVICE, "(uint64)$dev", queue)}
        if ($d != 0) {{ @xmit[(uint64)$s] = ((uint64)$dev, (uint64)cpu); }}
}}
tracepoint:net:net_dev_xmit {{
        delete(@xmit[(uint64)args.skbaddr]);
        if (args.rc == 0x10) {{
            {self.sight(packet, QDISC, device)}
        }}
}}
tracepoint:net:netif_receive_skb, tracepoint:net:netif_rx {{
        {self.note_device(device)}
        {self.sight(packet, INPUT, "(uint64)$dev")}
}}
"""

    def _senders(self):
        """Who sends, and who waits for room."""
        yield self._functions(
            "kprobe",
            ["sock_alloc_send_pskb", "sk_stream_wait_memory"],
            """
        @sending[tid] = (nsecs, (uint64)arg0, (uint64)pid, comm);
        @sender[(uint64)arg0] = ((uint64)pid, comm);""",
        )
        yield self._functions("kretprobe", ["sk_stream_wait_memory"], "delete(@sending[tid]);")

    def look(self):
        """How things are right now: what the packets and the sockets in the books say."""
        # clear() takes effect later, when what is written now is there.
        return f"""
        for ($kv : @now) {{ delete(@now[$kv.0]); }}
        for ($kv : @kernel) {{ delete(@kernel[$kv.0]); }}
        for ($kv : @claim) {{
            $p = (struct sk_buff *)($kv.0 & 0xfffffffffffffff8);
            @now[$kv.0] = ((uint64)$p->sk, (uint64)$p->destructor, (uint64)$p->truesize,
                (uint64)$p->queue_mapping);
            if ($kv.1.4 == {QDISC}) {{
                $n = (struct net_device *)$kv.1.5;
                $q = $n->_tx + $p->queue_mapping;
                @qdisc[$kv.1.5, (uint64)$p->queue_mapping] = $q->qdisc->ops->id;
            }}
        }}
        for ($kv : @sock) {{
            $k = (struct sock *)$kv.0;
            @kernel[$kv.0] = ((uint64)$k->__sk_common.skc_refcnt.refs.counter,
                (int64)$k->sk_wmem_alloc.refs.counter,
                (int64)$k->sk_backlog.rmem_alloc.counter, (int64)$k->sk_omem_alloc.counter);
            $inode = (uint64)0;
            if ($k->sk_socket != 0) {{
                $inode = (uint64)((struct socket_alloc *)$k->sk_socket)->vfs_inode.i_ino;
            }}
            if ($inode != 0 || @names[$kv.0].1 == 0) {{
                @names[$kv.0] = ($inode, (uint64)$k->__sk_common.skc_family, (uint64)$k->sk_type,
                    (uint64)$k->sk_protocol);
            }}
        }}"""

    @staticmethod
    def types():
        """Says what is in maps that are read before they are written; this never runs."""
        return f"""interval:s:1000000 {{
        @claim[(uint64)0] = ({", ".join(["(uint64)0"] * len(CLAIM))});
        @sock[(uint64)0] = ({", ".join(["(uint64)0"] * 3 + ["(int64)0"] * 3)});
        @names[(uint64)0] = ({", ".join(["(uint64)0"] * 4)});
        @xmit[(uint64)0] = ((uint64)0, (uint64)0);
        @freeing[(uint64)0] = (uint64)0;
}}
"""

    def text(self, every=1.0):
        """All of it; every: seconds between two looks."""
        parts = [self.types(), *self._charges(), *self._releases(), *self._ends()]
        parts += [*self._holders(), *self._senders()]
        shown = " ".join(f"print(@{name});" for name in SHOWN)
        parts.append(
            f"interval:ms:{round(1000 * every)} {{\n        $at = nsecs;{self.look()}\n"
            f'        {shown}\n        printf("look %llu\\n", $at);\n}}\n'
        )
        return "".join(parts)
