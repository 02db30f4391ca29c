// Reads commands (byte address, beats) from an AXI4 memory into one AXI4-Stream, in order.
//
// The data passes straight through: a beat a cycle if the memory has it. An error answer sets
// `error`; from then on, or while `abort` is high, no burst is added, and what was asked for is
// taken from the bus and dropped. The user answers `error` with `abort`, and holds it until `idle`.
`default_nettype none

module axi_reader #(
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
    output logic idle,         // every command is done, nothing is owed by the bus
    output logic error,
    output logic owed_data,    // the memory has a read address and owes data for it

    output logic        m_axi_mem_arid,
    output logic [31:0] m_axi_mem_araddr,
    output logic [ 7:0] m_axi_mem_arlen,
    output logic [ 2:0] m_axi_mem_arsize,
    output logic [ 1:0] m_axi_mem_arburst,
    output logic        m_axi_mem_arlock,
    output logic [ 3:0] m_axi_mem_arcache,
    output logic [ 2:0] m_axi_mem_arprot,
    output logic [ 3:0] m_axi_mem_arqos,
    output logic        m_axi_mem_arvalid,
    input  wire         m_axi_mem_arready,
    input  wire         m_axi_mem_rid,
    input  wire  [63:0] m_axi_mem_rdata,
    input  wire  [ 1:0] m_axi_mem_rresp,
    input  wire         m_axi_mem_rlast,
    input  wire         m_axi_mem_rvalid,
    output logic        m_axi_mem_rready,

    output logic [63:0] m_axis_tdata,
    output logic        m_axis_tvalid,
    input  wire         m_axis_tready
);

  localparam int COUNT_BITS = $clog2(OUTSTANDING) + 1;

  generate
    if (OUTSTANDING != 2 && OUTSTANDING != 4 && OUTSTANDING != 8 && OUTSTANDING != 16)
    begin : bad_outstanding
      $error("axi_reader: OUTSTANDING must be 2, 4, 8 or 16");
    end
  endgenerate

  logic issue, active;
  logic [COUNT_BITS-1:0] outstanding;  // bursts committed and not yet answered to the last beat

  wire drain = abort || error;
  wire burst_ends = m_axi_mem_rvalid && m_axi_mem_rready && m_axi_mem_rlast;
  wire [3:0] unused_issue_len;
  wire [1:0] unused_inputs = {m_axi_mem_rid, m_axi_mem_rresp[0]};

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
      .issue_len(unused_issue_len),
      .active,
      .burst_valid(m_axi_mem_arvalid),
      .burst_ready(m_axi_mem_arready),
      .burst_address(m_axi_mem_araddr),
      .burst_len(m_axi_mem_arlen[3:0])
  );

  assign m_axi_mem_arid = 1'b0;
  assign m_axi_mem_arlen[7:4] = 4'd0;
  assign m_axi_mem_arsize = 3'd3;  // 8 bytes
  assign m_axi_mem_arburst = 2'b01;  // INCR
  assign m_axi_mem_arlock = 1'b0;
  assign m_axi_mem_arcache = 4'b0011;  // normal memory, not cached: what the Zynq's HP ports expect
  assign m_axi_mem_arprot = 3'b000;
  assign m_axi_mem_arqos = 4'd0;

  assign m_axi_mem_rready = drain || m_axis_tready;
  assign m_axis_tdata = m_axi_mem_rdata;
  assign m_axis_tvalid = m_axi_mem_rvalid && !drain;

  assign idle = !active && outstanding == '0;
  assign owed_data = outstanding != COUNT_BITS'(m_axi_mem_arvalid);

  always_ff @(posedge aclk) begin
    outstanding <= outstanding + COUNT_BITS'(issue) - COUNT_BITS'(burst_ends);

    if (abort) error <= 1'b0;
    else if (m_axi_mem_rvalid && m_axi_mem_rready && m_axi_mem_rresp[1]) error <= 1'b1;

    if (!aresetn) begin
      outstanding <= '0;
      error <= 1'b0;
    end
  end

  stable_beat #(.WIDTH(36)) ar_is_stable (
      .aclk,
      .aresetn,
      .valid(m_axi_mem_arvalid),
      .ready(m_axi_mem_arready),
      .payload({m_axi_mem_araddr, m_axi_mem_arlen[3:0]})
  );

`ifndef SYNTHESIS
  always_ff @(posedge aclk) begin
    if (aresetn && m_axi_mem_rvalid) begin
      assert (outstanding != '0) else $error("%m: the memory sends data that nobody asked for");
    end
  end
`endif

endmodule

`default_nettype wire
