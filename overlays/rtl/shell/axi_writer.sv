// Writes one AXI4-Stream to an AXI4 memory, in order, as commands (byte address, beats) say.
//
// Addresses run ahead of the data; the data is a beat a cycle if stream and memory have it. An error
// answer sets `error`; from then on, or while `abort` is high, no burst is added, and the committed
// ones are completed with beats that write nothing (wstrb 0). The stream is not read meanwhile. The
// user answers `error` with `abort`, and holds it until `idle`.
`default_nettype none

module axi_writer #(
    parameter int OUTSTANDING = 8  // bursts in flight: 2, 4, 8 or 16
) (
    input wire aclk,
    input wire aresetn,

    input  wire         command_valid,
    output logic        command_ready,
    input  wire  [32:0] command_address,
    input  wire  [28:0] command_beats,
    output logic        refused,          // as in axi_burst_splitter, which says what is legal

    input  wire  abort,
    output logic idle,         // every command is done, its last write answered
    output logic error,
    output logic owed_data,    // a burst waits for data from the stream
    output logic owed_answer,  // the memory has all of a burst and owes the answer

    input  wire  [63:0] s_axis_tdata,
    input  wire         s_axis_tvalid,
    output logic        s_axis_tready,

    output logic        m_axi_mem_awid,
    output logic [31:0] m_axi_mem_awaddr,
    output logic [ 7:0] m_axi_mem_awlen,
    output logic [ 2:0] m_axi_mem_awsize,
    output logic [ 1:0] m_axi_mem_awburst,
    output logic        m_axi_mem_awlock,
    output logic [ 3:0] m_axi_mem_awcache,
    output logic [ 2:0] m_axi_mem_awprot,
    output logic [ 3:0] m_axi_mem_awqos,
    output logic        m_axi_mem_awvalid,
    input  wire         m_axi_mem_awready,
    output logic [63:0] m_axi_mem_wdata,
    output logic [ 7:0] m_axi_mem_wstrb,
    output logic        m_axi_mem_wlast,
    output logic        m_axi_mem_wvalid,
    input  wire         m_axi_mem_wready,
    input  wire         m_axi_mem_bid,
    input  wire  [ 1:0] m_axi_mem_bresp,
    input  wire         m_axi_mem_bvalid,
    output logic        m_axi_mem_bready
);

  localparam int INDEX_BITS = $clog2(OUTSTANDING);
  localparam int COUNT_BITS = INDEX_BITS + 1;

  generate
    if (OUTSTANDING != 2 && OUTSTANDING != 4 && OUTSTANDING != 8 && OUTSTANDING != 16)
    begin : bad_outstanding
      $error("axi_writer: OUTSTANDING must be 2, 4, 8 or 16");
    end
  endgenerate

  logic issue, active;
  logic [3:0] issue_len;
  logic [COUNT_BITS-1:0] outstanding;  // bursts committed and not yet answered

  // The lengths of the bursts whose data has not all passed, in a ring.
  logic [3:0] lengths[OUTSTANDING];
  logic [COUNT_BITS-1:0] pushed, popped;
  logic [3:0] beat;  // of the ring's oldest burst
  logic [COUNT_BITS-1:0] passed;  // bursts whose data the memory has, and which it has not answered
  logic strobe, w_ready;

  wire drain = abort || error;
  assign owed_data = pushed != popped;
  wire load = owed_data && (drain || s_axis_tvalid) && w_ready;
  wire load_last = beat == lengths[popped[INDEX_BITS-1:0]];
  wire answered = m_axi_mem_bvalid && m_axi_mem_bready;
  wire [1:0] unused_inputs = {m_axi_mem_bid, m_axi_mem_bresp[0]};

  axi_burst_splitter splitter (
      .aclk,
      .aresetn,
      .command_valid,
      .command_ready,
      .command_address,
      .command_beats,
      .refused,
      .room(outstanding != COUNT_BITS'(OUTSTANDING)),
      .stop(drain),
      .issue,
      .issue_len,
      .active,
      .burst_valid(m_axi_mem_awvalid),
      .burst_ready(m_axi_mem_awready),
      .burst_address(m_axi_mem_awaddr),
      .burst_len(m_axi_mem_awlen[3:0])
  );

  assign m_axi_mem_awid = 1'b0;
  assign m_axi_mem_awlen[7:4] = 4'd0;
  assign m_axi_mem_awsize = 3'd3;  // 8 bytes
  assign m_axi_mem_awburst = 2'b01;  // INCR
  assign m_axi_mem_awlock = 1'b0;
  assign m_axi_mem_awcache = 4'b0011;  // normal memory, not cached: what the Zynq's HP ports expect
  assign m_axi_mem_awprot = 3'b000;
  assign m_axi_mem_awqos = 4'd0;
  assign m_axi_mem_wstrb = {8{strobe}};
  assign m_axi_mem_bready = 1'b1;

  assign s_axis_tready = owed_data && !drain && w_ready;

  // Data is registered, so that a beat on offer stays as it is when an abort resets the core, and
  // the memory's ready does not reach into the core.
  stream_register #(
      .WIDTH(66)
  ) to_memory (
      .aclk,
      .aresetn,
      .s_axis_tdata({!drain, load_last, s_axis_tdata}),
      .s_axis_tvalid(load),
      .s_axis_tready(w_ready),
      .m_axis_tdata({strobe, m_axi_mem_wlast, m_axi_mem_wdata}),
      .m_axis_tvalid(m_axi_mem_wvalid),
      .m_axis_tready(m_axi_mem_wready)
  );

  assign idle = !active && outstanding == '0;
  // The memory has the data of a burst, and the address of the first.
  assign owed_answer = outstanding != COUNT_BITS'(m_axi_mem_awvalid) && passed != '0;

  always_ff @(posedge aclk) begin
    outstanding <= outstanding + COUNT_BITS'(issue) - COUNT_BITS'(answered);

    if (issue) begin
      lengths[pushed[INDEX_BITS-1:0]] <= issue_len;
      pushed <= pushed + COUNT_BITS'(1);
    end

    passed <= passed + COUNT_BITS'(m_axi_mem_wvalid && m_axi_mem_wready && m_axi_mem_wlast)
        - COUNT_BITS'(answered);

    if (load) begin
      beat <= load_last ? 4'd0 : beat + 4'd1;
      if (load_last) popped <= popped + COUNT_BITS'(1);
    end

    if (abort) error <= 1'b0;
    else if (answered && m_axi_mem_bresp[1]) error <= 1'b1;

    if (!aresetn) begin
      outstanding <= '0;
      pushed <= '0;
      popped <= '0;
      beat <= 4'd0;
      passed <= '0;
      error <= 1'b0;
    end
  end

  stable_beat #(.WIDTH(36)) aw_is_stable (
      .aclk,
      .aresetn,
      .valid(m_axi_mem_awvalid),
      .ready(m_axi_mem_awready),
      .payload({m_axi_mem_awaddr, m_axi_mem_awlen[3:0]})
  );
  stable_beat #(.WIDTH(73)) w_is_stable (
      .aclk,
      .aresetn,
      .valid(m_axi_mem_wvalid),
      .ready(m_axi_mem_wready),
      .payload({m_axi_mem_wdata, m_axi_mem_wstrb, m_axi_mem_wlast})
  );

`ifndef SYNTHESIS
  always_ff @(posedge aclk) begin
    if (aresetn && m_axi_mem_bvalid) begin
      assert (outstanding != '0) else $error("%m: the memory answers a write that nobody made");
    end
  end
`endif

endmodule

`default_nettype wire
