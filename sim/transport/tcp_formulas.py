"""TCP's effects on a flow, in closed form.

Rates are bytes of payload per second, times seconds, sizes bytes of payload. In the event form
(`cutlayer.sim.transport.tcp`) a flow alone takes exactly `sending_time`; for flows that share links
there is no closed form. Not modelled: time-outs of a burst that overflows a queue (incast), the queueing
delay that other traffic adds to the round-trip time, delayed acknowledgements, HyStart.
"""

from math import inf, sqrt
from typing import Final

MSS_BYTES: Final = 1448
"""Payload of a full segment: 1500 less 20 (IPv4), 20 (TCP) and 12 (timestamps, RFC 7323)."""
MTU_BYTES: Final = 1500
HEADER_EFFICIENCY: Final = MSS_BYTES / MTU_BYTES
"""Share of payload in what a link carries at the IP layer."""
INITIAL_WINDOW: Final = 10
"""Segments (RFC 6928)."""
RTO_MIN_S: Final = 0.2
"""The least time that Linux adds to the round trip for a retransmission time-out (TCP_RTO_MIN)."""
LEAST_RTT_S: Final = 1e-3

CUBIC_C: Final = 0.4
CUBIC_BETA: Final = 0.7


def window_rate(window_bytes: float, rtt_s: float) -> float:
    """Return W / RTT, the highest rate that a window allows; infinite without a round trip."""
    return window_bytes / rtt_s if rtt_s else inf


def sending_time(
    size_bytes: float,
    rate: float,
    rtt_s: float,
    *,
    setup_rtts: float = 1,
    initial_window_bytes: float = INITIAL_WINDOW * MSS_BYTES,
    window_bytes: float = inf,
    slow_start: bool = True,
) -> float:
    """Return the seconds from the request to send until the last byte has left, for a flow alone.

    `rate` is that of the links; the last byte arrives half a round trip later. In slow start each window
    takes a round trip and doubles, until it covers rate * RTT or the rest of the message: with
    k = ceil(log2(rate RTT / w0)) and r = ceil(log2(S / w0 + 1)), for min(k, r - 1) rounds (Cardwell,
    Savage and Anderson, "Modeling TCP latency", INFOCOM 2000, without loss). The rest leaves at
    min(rate, window / RTT).
    """
    reached = min(rate, window_rate(window_bytes, rtt_s))
    rounds, sent, window = 0, 0.0, initial_window_bytes
    if slow_start and rtt_s:
        while window < reached * rtt_s and sent + window < size_bytes:
            rounds += 1
            sent += window
            window *= 2
    return setup_rtts * rtt_s + rounds * rtt_s + (size_bytes - sent) / reached


def retransmission_timeout(rtt_s: float) -> float:
    """Return the time-out of a path whose round trip does not vary: RTT + 200 ms, as in Linux.

    RFC 6298 has SRTT + max(G, 4 RTTVAR) and at least 1 s; Linux keeps the second term at 200 ms or
    more instead.
    """
    return rtt_s + RTO_MIN_S


def mathis_rate(
    loss: float, rtt_s: float, *, mss_bytes: float = MSS_BYTES, packets_per_ack: float = 1
) -> float:
    """Return MSS / RTT * sqrt(3 / (2 b p)) for a loss p per packet; infinite without loss or RTT.

    Mathis, Semke, Mahdavi and Ott, CCR 27(3), 1997: congestion avoidance of Reno, no time-outs.
    b is 1 where the sender counts acknowledged bytes (RFC 3465, Linux), 2 where it counts delayed
    acknowledgements.
    """
    if not loss or not rtt_s:
        return inf
    return mss_bytes / rtt_s * sqrt(3 / (2 * packets_per_ack * loss))


def pftk_rate(
    loss: float, rtt_s: float, *, mss_bytes: float = MSS_BYTES, packets_per_ack: float = 1
) -> float:
    """Return Reno's rate with its time-outs T0; infinite without loss or RTT.

        MSS / (RTT sqrt(2bp/3) + T0 min(1, 3 sqrt(3bp/8)) p (1 + 32 p^2))

    The approximate model of Padhye, Firoiu, Towsley and Kurose, SIGCOMM 1998; T0 is the
    `retransmission_timeout`.
    """
    if not loss or not rtt_s:
        return inf
    acked = packets_per_ack * loss
    timeouts = min(1.0, 3 * sqrt(3 * acked / 8)) * loss * (1 + 32 * loss**2)
    return mss_bytes / (rtt_s * sqrt(2 * acked / 3) + retransmission_timeout(rtt_s) * timeouts)


def cubic_rate(loss: float, rtt_s: float, *, mss_bytes: float = MSS_BYTES) -> float:
    """Return CUBIC's rate, never less than that of Reno; infinite without loss or RTT.

    The window's mean is (C (3 + beta) / (4 (1 - beta)))^(1/4) (RTT / p)^(3/4) segments (RFC 9438,
    section 5.1), which makes 1.054 MSS / (RTT^(1/4) p^(3/4)). On short or lossy paths this falls
    below the window that Reno would have. CUBIC is then in its Reno-friendly region (section 4.3): the
    window grows by 3 (1 - beta) / (1 + beta) segments a round trip and is multiplied by beta at a loss,
    so that its mean is Reno's sqrt(3 / (2 p)).
    """
    if not loss or not rtt_s:
        return inf
    factor = (CUBIC_C * (3 + CUBIC_BETA) / (4 * (1 - CUBIC_BETA))) ** 0.25
    cubic: float = factor * mss_bytes / (rtt_s**0.25 * loss**0.75)
    return max(cubic, mathis_rate(loss, rtt_s, mss_bytes=mss_bytes))
