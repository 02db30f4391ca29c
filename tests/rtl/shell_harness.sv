// Test only: the dataflow shell around a loopback core, with the core's knobs as ports.
`default_nettype none

module shell_harness #(
    parameter int INPUT_BEATS  = 1,
    parameter int OUTPUT_BEATS = 1
) (
    input wire aclk,
    input wire aresetn,

    input wire [15:0] latency,
    input wire        hold_input,
    input wire        hold_output,
    input wire [ 7:0] stall_rate,
    input wire        wrong_last,

    input  wire  [11:0] s_axi_ctrl_awaddr,
    input  wire         s_axi_ctrl_awvalid,
    output logic        s_axi_ctrl_awready,
    input  wire  [31:0] s_axi_ctrl_wdata,
    input  wire  [ 3:0] s_axi_ctrl_wstrb,
    input  wire         s_axi_ctrl_wvalid,
    output logic        s_axi_ctrl_wready,
    output logic [ 1:0] s_axi_ctrl_bresp,
    output logic        s_axi_ctrl_bvalid,
    input  wire         s_axi_ctrl_bready,
    input  wire  [11:0] s_axi_ctrl_araddr,
    input  wire         s_axi_ctrl_arvalid,
    output logic        s_axi_ctrl_arready,
    output logic [31:0] s_axi_ctrl_rdata,
    output logic [ 1:0] s_axi_ctrl_rresp,
    output logic        s_axi_ctrl_rvalid,
    input  wire         s_axi_ctrl_rready,
    output logic        irq,

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
    output logic        m_axi_mem_bready,

    input  wire  [127:0] build_id,
    output logic         core_aresetn,
    output logic         core_in_tvalid,
    output logic         core_in_tready,
    output logic         core_out_tvalid,
    output logic         core_out_tready,
    output logic         core_out_tlast,
    output logic [  2:0] layer_busy,
    output logic [  2:0] layer_stalled
);

  logic [63:0] core_in_tdata, core_out_tdata;
  logic core_in_tlast;

  dataflow_shell #(
      .INPUT_BEATS(INPUT_BEATS),
      .OUTPUT_BEATS(OUTPUT_BEATS),
      .LAYERS(3),
      .WATCHDOG_DEFAULT(1024)
  ) shell (
      .m_axis_core_tdata (core_in_tdata),
      .m_axis_core_tvalid(core_in_tvalid),
      .m_axis_core_tready(core_in_tready),
      .m_axis_core_tlast (core_in_tlast),
      .s_axis_core_tdata (core_out_tdata),
      .s_axis_core_tvalid(core_out_tvalid),
      .s_axis_core_tready(core_out_tready),
      .s_axis_core_tlast (core_out_tlast),
      .*
  );

  loopback_core #(
      .INPUT_BEATS (INPUT_BEATS),
      .OUTPUT_BEATS(OUTPUT_BEATS)
  ) core (
      .aresetn(core_aresetn),
      .s_axis_tdata(core_in_tdata),
      .s_axis_tvalid(core_in_tvalid),
      .s_axis_tready(core_in_tready),
      .s_axis_tlast(core_in_tlast),
      .m_axis_tdata(core_out_tdata),
      .m_axis_tvalid(core_out_tvalid),
      .m_axis_tready(core_out_tready),
      .m_axis_tlast(core_out_tlast),
      .*
  );

endmodule

`default_nettype wire
