//go:build linux

package link

import (
	"net"
	"net/netip"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The parts of a rule. Each loads a piece of the packet, or of what the kernel knows of the packet, into register 1 and compares it there.
// A packet that differs leaves the rule.
var (
	accept = []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	drop   = []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	// known packets belong to a connection that somebody else has begun.
	known = bits(expr.CtKeySTATE, expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED)
	// published packets were sent to a port of the host: IPS_DST_NAT.
	published = bits(expr.CtKeySTATUS, 1<<5)
	six       = meta(expr.MetaKeyNFPROTO, expr.CmpOpEq, []byte{unix.NFPROTO_IPV6})
)

// Types of ICMP messages of IPv6. RFC 4861
const (
	routerAdvertisement   = 134
	neighborSolicitation  = 135
	neighborAdvertisement = 136
	redirect              = 137
)

// in, out and notOut compare the interface that a packet came in by, or will go out by.
func in(name string) []expr.Any     { return meta(expr.MetaKeyIIFNAME, expr.CmpOpEq, padded(name)) }
func out(name string) []expr.Any    { return meta(expr.MetaKeyOIFNAME, expr.CmpOpEq, padded(name)) }
func notOut(name string) []expr.Any { return meta(expr.MetaKeyOIFNAME, expr.CmpOpNeq, padded(name)) }

// inAny matches all interfaces whose names begin with a prefix.
func inAny(prefix string) []expr.Any { return meta(expr.MetaKeyIIFNAME, expr.CmpOpEq, []byte(prefix)) }

// padded is the name of an interface as the kernel compares it, filled up with zeros.
func padded(name string) []byte {
	bytes := make([]byte, unix.IFNAMSIZ)
	copy(bytes, name)
	return bytes
}

func meta(key expr.MetaKey, op expr.CmpOp, value []byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: value}}
}

// bits matches if a word of the connection has any of these bits.
func bits(key expr.CtKey, mask uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: key, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(mask), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

// payload compares bytes of the packet.
func payload(base expr.PayloadBase, offset uint32, op expr.CmpOp, value []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: uint32(len(value))},
		&expr.Cmp{Op: op, Register: 1, Data: value},
	}
}

// family matches packets of the family of an address.
func family(ip netip.Addr) []expr.Any {
	if ip.Is4() {
		return meta(expr.MetaKeyNFPROTO, expr.CmpOpEq, []byte{unix.NFPROTO_IPV4})
	}
	return six
}

// to matches the receiver, in a chain of the family inet.
func to(ip netip.Addr) []expr.Any {
	offset := uint32(16)
	if ip.Is6() {
		offset = 24
	}
	return append(family(ip), payload(expr.PayloadBaseNetworkHeader, offset, expr.CmpOpEq, ip.AsSlice())...)
}

// from matches the sender, in a chain that knows the family already.
func from(ip netip.Addr) []expr.Any {
	return payload(expr.PayloadBaseNetworkHeader, senderOffset(ip), expr.CmpOpEq, ip.AsSlice())
}

func senderOffset(ip netip.Addr) uint32 {
	if ip.Is6() {
		return 8
	}
	return 12
}

// fromSubnet matches senders of a subnet, in a chain of the family inet.
func fromSubnet(subnet netip.Prefix) []expr.Any {
	ip := subnet.Addr()
	return append(family(ip),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: senderOffset(ip), Len: uint32(ip.BitLen() / 8)},
		&expr.Bitwise{
			SourceRegister: 1, DestRegister: 1, Len: uint32(ip.BitLen() / 8),
			Mask: net.CIDRMask(subnet.Bits(), ip.BitLen()), Xor: make([]byte, ip.BitLen()/8),
		},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: subnet.Masked().Addr().AsSlice()})
}

func transport(protocol byte) []expr.Any {
	return meta(expr.MetaKeyL4PROTO, expr.CmpOpEq, []byte{protocol})
}

// destination matches a port of TCP or UDP.
func destination(port uint16) []expr.Any {
	return payload(expr.PayloadBaseTransportHeader, 2, expr.CmpOpEq, binaryutil.BigEndian.PutUint16(port))
}

func icmpType(kind byte) []expr.Any {
	return payload(expr.PayloadBaseTransportHeader, 0, expr.CmpOpEq, []byte{kind})
}

// target matches the address that a neighbour advertisement is about.
func target(ip netip.Addr) []expr.Any {
	return payload(expr.PayloadBaseTransportHeader, 8, expr.CmpOpEq, ip.AsSlice())
}

// etherType matches the kind of a frame.
func etherType(kind uint16) []expr.Any {
	return meta(expr.MetaKeyPROTOCOL, expr.CmpOpEq, binaryutil.BigEndian.PutUint16(kind))
}

// notSender matches frames with another sender.
func notSender(mac net.HardwareAddr) []expr.Any {
	return payload(expr.PayloadBaseLLHeader, 6, expr.CmpOpNeq, mac)
}

// arpSender matches what an ARP message says of its sender: the MAC address and the address of IPv4. RFC 826
func arpSender(mac net.HardwareAddr, ip netip.Addr) []expr.Any {
	return append(payload(expr.PayloadBaseNetworkHeader, 8, expr.CmpOpEq, mac), payload(expr.PayloadBaseNetworkHeader, 14, expr.CmpOpEq, ip.AsSlice())...)
}
