// The floor: a program that does only what physics asks of a broker. It receives frames, checksums
// and writes them, and answers; or it sends what is in a file. One thread for each connection waits
// in the system's calls; there is no protocol but the frames.

package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func setupFloorServer(flags *flag.FlagSet) func() error {
	listen := flags.String("listen", "127.0.0.1:9092", "address")
	dir := flags.String("dir", ".", "where to write")
	return func() error { return serveFloor(*listen, *dir) }
}

func setupFloor(flags *flag.FlagSet) func() error {
	c := new(common)
	outputFlags(flags, c)
	dir := flags.String("dir", ".", "where to write")
	flags.DurationVar(&base.Duration, "duration", base.Duration, "of each measurement")
	return func() error {
		report := NewReport(c)
		return errors.Join(withFloor(*dir, func(b *Broker) error { return b.floor(report.Add) }), report.Save())
	}
}

const (
	apiProduce, apiFetch = 0, 1
	// pieceBytes is what is written in one call. Some virtual machines pay for longer ones.
	pieceBytes = 32 << 10
)

// serveFloor serves until it is killed.
func serveFloor(listen, dir string) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			runtime.LockOSThread()
			if err := serveFloorConn(conn.(*net.TCPConn), filepath.Join(dir, fmt.Sprint("floor-", n))); err != nil {
				fmt.Fprintln(os.Stderr, "floor:", err)
			}
		}()
	}
}

// serveFloorConn answers one connection, whose frames go to a file of their own.
func serveFloorConn(conn *net.TCPConn, path string) error {
	socket, err := conn.File() // a descriptor without Go's poller
	conn.Close()
	if err != nil {
		return err
	}
	defer socket.Close()
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer log.Close()
	in, out := int(socket.Fd()), int(log.Fd()) // Fd makes it wait in its calls
	if err := syscall.SetNonblock(in, false); err != nil {
		return err
	}
	answer := encodeAnswer()
	frame := make([]byte, 4)
	for at := int64(0); ; {
		if err := readAll(in, frame[:4]); err != nil {
			return ignoreEnd(err)
		}
		size := int(binary.BigEndian.Uint32(frame))
		if size+4 > len(frame) {
			frame = make([]byte, size+4)
		}
		body := frame[:size]
		if err := readAll(in, body); err != nil {
			return err
		}
		if binary.BigEndian.Uint16(body) == apiFetch {
			err = sendFloor(in, out, int64(binary.BigEndian.Uint64(body[8:])), at)
		} else {
			checksum.Store(crc32.Checksum(body, castagnoli))
			err = errors.Join(writeAt(out, body, at), writeAll(in, answer))
			at += int64(size)
		}
		if err != nil {
			return ignoreEnd(err)
		}
	}
}

// checksum keeps the compiler from leaving the work out.
var checksum atomic.Uint32

// encodeAnswer returns the answer to every produce request: nothing failed.
func encodeAnswer() []byte {
	response := kmsg.NewPtrProduceResponse()
	response.Version = produceVersion
	body := response.AppendTo(make([]byte, 8))
	binary.BigEndian.PutUint32(body, uint32(len(body)-4))
	return body
}

// sendFloor answers with so many bytes of what was written, again from its start when there are fewer.
func sendFloor(socket, file int, size, have int64) error {
	var head [8]byte
	binary.BigEndian.PutUint32(head[:], uint32(size+4))
	if err := writeAll(socket, head[:]); err != nil {
		return err
	}
	for size > 0 {
		position := int64(0)
		for position < min(have, size) {
			n, err := syscall.Sendfile(socket, file, &position, int(min(have, size)-position))
			if err != nil && err != syscall.EINTR {
				return err
			}
			if n == 0 {
				return io.ErrUnexpectedEOF
			}
		}
		size -= position
	}
	return nil
}

func readAll(fd int, into []byte) error {
	for len(into) > 0 {
		n, err := syscall.Read(fd, into)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.EOF
		}
		into = into[n:]
	}
	return nil
}

func writeAll(fd int, bytes []byte) error {
	for len(bytes) > 0 {
		n, err := syscall.Write(fd, bytes)
		if err != nil && err != syscall.EINTR {
			return err
		}
		bytes = bytes[max(n, 0):]
	}
	return nil
}

func writeAt(fd int, bytes []byte, at int64) error {
	for len(bytes) > 0 {
		n, err := syscall.Pwrite(fd, bytes[:min(len(bytes), pieceBytes)], at)
		if err != nil && err != syscall.EINTR {
			return err
		}
		bytes, at = bytes[max(n, 0):], at+int64(max(n, 0))
	}
	return nil
}

// ignoreEnd is for connections that the other side has closed.
func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// withFloor runs f against a floor in a process of its own.
func withFloor(dir string, f func(*Broker) error) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	p, err := StartProcess(fmt.Sprintf("%q floor-server --listen %s --dir %q", self, address, dir))
	if err != nil {
		return err
	}
	defer p.Stop(syscall.SIGKILL)
	for tries := 0; ; tries++ {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		if tries > 1000 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return f(&Broker{Seeds: []string{address}, Pids: []int{p.Pid()}})
}

// floor takes the measurements that turnProduce and turnFetch take of a broker, under the same names.
func (b *Broker) floor(add func(Result)) error {
	for _, spec := range produceSpecs() {
		r, err := b.floorProduce(spec)
		if err != nil {
			return err
		}
		add(r)
	}
	for _, batch := range []int{16 << 10, 1 << 20} {
		spec := catchUp(batch)
		r, err := b.floorFetch(spec)
		if err != nil {
			return err
		}
		add(r)
	}
	return nil
}

// floorKind is the kind of the floor's results, by what they are compared with.
func floorKind(kind string) string { return "floor of " + kind }

func (b *Broker) floorProduce(s ProduceSpec) (Result, error) {
	r := Result{Kind: floorKind("produce"), Case: s.String()}
	leaders := make([]string, s.Partitions)
	for i := range leaders {
		leaders[i] = b.Seeds[0]
	}
	l, err := b.startLoad(s, leaders)
	if err != nil {
		return r, err
	}
	return r, b.measureLoad(&r, s, l)
}

// floorFetch asks for answers as large as the broker's: each partition's most bytes.
func (b *Broker) floorFetch(s FetchSpec) (Result, error) {
	r := Result{Kind: floorKind("fetch"), Case: s.String()}
	size := int64(min(s.MaxBytes, s.Load.Partitions/s.Connections*s.PartitionMaxBytes))
	var bytes atomic.Int64
	var stop atomic.Bool
	var readers sync.WaitGroup
	errs := make(chan error, s.Connections)
	for range s.Connections {
		conn, err := dial(b.Seeds[0])
		if err != nil {
			return r, err
		}
		readers.Go(func() {
			defer conn.Close()
			errs <- readFloor(conn, size, s.FillBytes/int64(s.Connections), &bytes, &stop)
		})
	}
	for bytes.Load() == 0 && len(errs) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(s.Load.Warmup)
	usage, from := b.Usage(), bytes.Load()
	time.Sleep(s.Duration)
	endUsage, to := b.Usage(), bytes.Load()
	stop.Store(true)
	readers.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return r, err
		}
	}
	r.Add("mb_per_s", float64(to-from)/1e6/endUsage.At.Sub(usage.At).Seconds())
	r.Add("broker_cpu_s_per_gb", (endUsage.CPU-usage.CPU).Seconds()/(float64(to-from)/1e9))
	r.addUsage(usage, endUsage)
	return r, nil
}

// readFloor fills the connection's file, then reads it again and again.
func readFloor(conn *wireConn, size, fill int64, bytes *atomic.Int64, stop *atomic.Bool) error {
	frame := make([]byte, 4+1<<20)
	binary.BigEndian.PutUint32(frame, 1<<20)
	for filled := int64(0); filled < fill; filled += 1 << 20 {
		if _, err := conn.Write(frame); err != nil {
			return err
		}
		if _, err := conn.read(); err != nil {
			return err
		}
	}
	request := make([]byte, 20)
	binary.BigEndian.PutUint32(request, 16)
	binary.BigEndian.PutUint16(request[4:], apiFetch)
	binary.BigEndian.PutUint64(request[12:], uint64(size))
	for !stop.Load() {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		body, err := conn.read()
		if err != nil {
			return err
		}
		bytes.Add(int64(len(body)))
	}
	return nil
}
