package main

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

func TestTheFloorAnswersProducersAndSendsWhatItHas(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = serveFloorConn(conn.(*net.TCPConn), t.TempDir()+"/log")
		}
		served <- err
	}()
	conn, err := dial(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	batch, err := NewBatch(100, 16<<10, "none", 1)
	if err != nil {
		t.Fatal(err)
	}
	l := new(load)
	sent := make(chan struct{})
	go func() { l.send(conn, []frame{produceFrame(base, []int32{0, 1}, batch)}, 3); close(sent) }()
	for l.requests.Load() < 5 && !l.stop.Load() {
	}
	if err := l.finish(); err != nil {
		t.Fatal(err)
	}
	<-sent
	var bytes atomic.Int64
	var stop atomic.Bool
	read := make(chan error, 1)
	go func() { read <- readFloor(conn, 3<<20, 2<<20, &bytes, &stop) }()
	for bytes.Load() < 6<<20 && len(read) == 0 {
	}
	stop.Store(true)
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	if bytes.Load()%(3<<20) != 0 {
		t.Errorf("answers are not as long as they were asked for: %d bytes in all", bytes.Load())
	}
	conn.Close()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}

func TestOtherErrorsThanTheEndAreTold(t *testing.T) {
	if ignoreEnd(io.EOF) != nil || !strings.Contains(ignoreEnd(io.ErrUnexpectedEOF).Error(), "EOF") {
		t.Error("the end of a connection is no error, the end within a frame is one")
	}
}
