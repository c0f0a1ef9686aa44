// One run of ns-3: TCP senders with links of their own behind one drop-tail queue.
//
// Sender i - access link - left router - bottleneck - right router - access link - receiver i.
// The access links are ten times as fast as the bottleneck and carry what their flow's round trip is
// longer than that of the bottleneck. Compiled by cppyy when `packets.py` starts.

#include <vector>

struct Arrivals
{
    static std::vector<double> last;
    static std::vector<double> received;
    static double dropped;

    static void Received(uint32_t flow, ns3::Ptr<const ns3::Packet> packet, const ns3::Address&)
    {
        received[flow] += packet->GetSize();
        last[flow] = ns3::Simulator::Now().GetSeconds();
    }

    static void Dropped(ns3::Ptr<const ns3::Packet>)
    {
        ++dropped;
    }
};

std::vector<double> Arrivals::last;
std::vector<double> Arrivals::received;
double Arrivals::dropped;

// Seconds at which the last byte of each flow arrives (-1 for one that does not within `limit_s`), and
// then how many packets the bottleneck's queue has dropped.
std::vector<double> dumbbell(double rate_bit_s, double bottleneck_rtt_s, uint32_t queue_packets,
                             uint32_t packets_per_ack, const std::vector<double>& rtts,
                             const std::vector<double>& sizes, const std::vector<double>& starts,
                             double limit_s)
{
    using namespace ns3;
    const uint32_t flows = rtts.size();
    Config::SetDefault("ns3::TcpSocket::DelAckCount", UintegerValue(packets_per_ack));
    Arrivals::last.assign(flows, -1.0);
    Arrivals::received.assign(flows, 0.0);
    Arrivals::dropped = 0;

    NodeContainer routers, senders, receivers;
    routers.Create(2);
    senders.Create(flows);
    receivers.Create(flows);
    InternetStackHelper stack;
    stack.Install(routers);
    stack.Install(senders);
    stack.Install(receivers);

    auto link = [](NodeContainer ends, double rate, double delay, uint32_t queue) {
        PointToPointHelper p2p;
        p2p.SetDeviceAttribute("DataRate", DataRateValue(DataRate(uint64_t(rate))));
        p2p.SetChannelAttribute("Delay", TimeValue(Seconds(delay)));
        p2p.SetQueue("ns3::DropTailQueue", "MaxSize",
                     QueueSizeValue(QueueSize(QueueSizeUnit::PACKETS, queue)));
        return p2p.Install(ends);
    };
    Ipv4AddressHelper address;
    address.SetBase("10.0.0.0", "255.255.255.252");
    TrafficControlHelper queues;
    auto connect = [&](NetDeviceContainer devices) {
        auto interfaces = address.Assign(devices);
        address.NewNetwork();
        queues.Uninstall(devices); // the device's drop-tail queue is the only one
        return interfaces;
    };
    connect(link(routers, rate_bit_s, bottleneck_rtt_s / 2, queue_packets));
    // A device whose queue is full stops taking packets; the layer above it then drops them.
    routers.Get(0)->GetObject<TrafficControlLayer>()->TraceConnectWithoutContext(
        "TcDrop", MakeCallback(&Arrivals::Dropped));
    ApplicationContainer apps;
    for (uint32_t i = 0; i < flows; ++i)
    {
        const double extra = (rtts[i] - bottleneck_rtt_s) / 4; // four access links a round trip
        connect(link({senders.Get(i), routers.Get(0)}, 10 * rate_bit_s, extra, 100000));
        auto far = connect(link({routers.Get(1), receivers.Get(i)}, 10 * rate_bit_s, extra, 100000));
        BulkSendHelper source("ns3::TcpSocketFactory", InetSocketAddress(far.GetAddress(1), 5000));
        source.SetAttribute("MaxBytes", UintegerValue(uint64_t(sizes[i])));
        source.SetAttribute("SendSize", UintegerValue(1448));
        auto sending = source.Install(senders.Get(i));
        sending.Start(Seconds(starts[i]));
        PacketSinkHelper sink("ns3::TcpSocketFactory",
                              InetSocketAddress(Ipv4Address::GetAny(), 5000));
        auto receiving = sink.Install(receivers.Get(i));
        receiving.Get(0)->TraceConnectWithoutContext("Rx", MakeBoundCallback(&Arrivals::Received, i));
    }
    Ipv4GlobalRoutingHelper::PopulateRoutingTables();
    Simulator::Stop(Seconds(limit_s));
    Simulator::Run();
    Simulator::Destroy();
    Ipv4AddressGenerator::Reset();
    std::vector<double> ends(flows, -1.0);
    for (uint32_t i = 0; i < flows; ++i)
    {
        if (Arrivals::received[i] >= sizes[i])
        {
            ends[i] = Arrivals::last[i];
        }
    }
    ends.push_back(Arrivals::dropped);
    return ends;
}

void settings()
{
    using namespace ns3;
    Config::SetDefault("ns3::TcpL4Protocol::SocketType", TypeIdValue(TcpCubic::GetTypeId()));
    Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(1448));
    Config::SetDefault("ns3::TcpSocket::InitialCwnd", UintegerValue(10));
    Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(4 << 20));
    Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(4 << 20));
    // As in Linux; the defaults of ns-3 are 1 s, 3 s and 6.
    Config::SetDefault("ns3::TcpSocketBase::MinRto", TimeValue(MilliSeconds(200)));
    Config::SetDefault("ns3::TcpSocket::ConnTimeout", TimeValue(Seconds(1)));
    Config::SetDefault("ns3::TcpSocket::DataRetries", UintegerValue(15));
}
